//! A receiver of CloudEvents.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use exporter::SinkConfig;
use serde_json::Value;
use sink_sim::{Clock, Reply, Request, Rule, Sim, Vendor};

use super::subject::{Subject, Trouble, asked};
use super::support::{Rig, receiver};

/// A receiver that may refuse a record.
#[derive(Default)]
struct Receiver {
    events: sink_sim::Webhook,
    refuses: bool,
}

impl Vendor for Receiver {
    fn answer(&mut self, request: &Request, clock: &Clock) -> Reply {
        let bad = request.body.windows(5).any(|w| w == b"\"bad\"");
        match self.refuses && bad {
            true => self.events.refusal(422),
            false => self.events.answer(request, clock),
        }
    }

    fn refusal(&self, status: u16) -> Reply {
        self.events.refusal(status)
    }
}

pub struct Webhook {
    sim: Sim<Receiver>,
    batch: bool,
    secret: tempfile::NamedTempFile,
}

impl Webhook {
    pub fn single() -> Self {
        let secret = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(secret.path(), "0123456789abcdef").unwrap();
        Webhook {
            sim: receiver(Receiver::default()),
            batch: false,
            secret,
        }
    }

    pub fn batch() -> Self {
        Webhook {
            batch: true,
            ..Webhook::single()
        }
    }
}

fn text<'a>(event: &'a Value, field: &str) -> &'a str {
    event[field].as_str().unwrap_or_default()
}

#[async_trait(?Send)]
impl Subject for Webhook {
    fn name(&self) -> &'static str {
        match self.batch {
            true => "webhook, batches",
            false => "webhook",
        }
    }

    fn config(&self) -> SinkConfig {
        let url = format!("{}/events", self.sim.url()).parse().unwrap();
        let mut settings =
            exporter::sink::webhook::Webhook::new(url, self.secret.path().to_owned());
        settings.batch = self.batch;
        settings.answer_seconds = 2;
        SinkConfig::new(settings)
    }

    /// As a receiver does it that keeps the newest state of each subject.
    async fn users(&self, _: &Rig) -> Vec<String> {
        let (events, contradictions) = self.sim.read(|r| {
            let contradictions = r.events.contradictions().to_vec();
            (r.events.events().to_vec(), contradictions)
        });
        assert!(contradictions.is_empty(), "{contradictions:#?}");
        let mut newest = BTreeMap::<(String, String), Value>::new();
        for event in events {
            if !text(&event, "type").starts_with("leastwise.user.") {
                continue;
            }
            let key = (
                text(&event, "source").to_owned(),
                text(&event, "subject").to_owned(),
            );
            let older = newest.get(&key);
            if older.is_none_or(|o| text(o, "sequence") < text(&event, "sequence")) {
                newest.insert(key, event);
            }
        }
        let upserted = newest
            .into_iter()
            .filter(|(_, e)| text(e, "type").contains("upserted"));
        let user = |((source, key), event): ((String, String), Value)| {
            let tenant = source.trim_start_matches("/tenants/");
            format!(
                "{}/{key}={}",
                &tenant[..1],
                text(&event["data"], "displayName")
            )
        };
        upserted.map(user).collect()
    }

    fn strike(&self, trouble: Trouble) -> bool {
        self.sim.forget_received();
        let Some(fault) = trouble.fault(Duration::from_millis(50)) else {
            self.sim.change(|r| r.refuses = true);
            return true;
        };
        self.sim.inject(Rule::always(fault));
        true
    }

    async fn struck(&self) {
        asked(&self.sim, |_| true).await;
    }

    fn heal(&self) {
        self.sim.heal();
        self.sim.change(|r| r.refuses = false);
    }

    async fn alter(&self, _: &Rig) -> bool {
        false
    }

    async fn restore(&self, _: &Rig) -> bool {
        self.sim.change(|r| r.events = sink_sim::Webhook::default());
        true
    }
}

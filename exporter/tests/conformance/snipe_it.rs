//! Snipe-IT, in which the sink creates the people.

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use exporter::SinkConfig;
use http::Method;
use serde_json::json;
use sink_sim::{Clock, Reply, Request, Rule, Sim, Vendor};

use super::subject::{Subject, Trouble, asked};
use super::support::{Rig, receiver, snipe_it};

/// A system that may refuse a user.
struct Picky {
    system: sink_sim::SnipeIt,
    refuses: bool,
}

impl Vendor for Picky {
    fn answer(&mut self, request: &Request, clock: &Clock) -> Reply {
        let bad = request.body.windows(5).any(|w| w == b":bad\"");
        match self.refuses && bad {
            true => Reply::json(
                200,
                &json!({ "status": "error", "messages": { "username": ["No."] }, "payload": null }),
            ),
            false => self.system.answer(request, clock),
        }
    }

    fn refusal(&self, status: u16) -> Reply {
        self.system.refusal(status)
    }
}

pub struct SnipeIt {
    sim: Sim<Picky>,
    dir: PathBuf,
}

impl SnipeIt {
    pub fn new(dir: &Path) -> Self {
        SnipeIt {
            sim: receiver(Picky {
                system: snipe_it::system(),
                refuses: false,
            }),
            dir: dir.to_owned(),
        }
    }
}

#[async_trait(?Send)]
impl Subject for SnipeIt {
    fn name(&self) -> &'static str {
        "snipe-it"
    }

    fn caveat(&self) -> &'static str {
        "no older state over a newer one, where a request of an exporter that lost its lease arrives late: it has no numbers"
    }

    fn config(&self) -> SinkConfig {
        SinkConfig::new(snipe_it::creating(&self.sim, &self.dir))
    }

    async fn users(&self, _: &Rig) -> Vec<String> {
        self.sim.read(|now| snipe_it::users(&now.system))
    }

    fn strike(&self, trouble: Trouble) -> bool {
        self.sim.forget_received();
        let Some(fault) = trouble.fault(Duration::from_millis(20)) else {
            self.sim.change(|now| now.refuses = true);
            return true;
        };
        let rule = match trouble {
            // The first change, not what is read before it.
            Trouble::HangsBefore | Trouble::HangsAfter => Rule::always(fault).method("PATCH"),
            _ => Rule::always(fault),
        };
        self.sim.inject(rule);
        true
    }

    async fn struck(&self) {
        asked(&self.sim, |r| r.request.method == Method::PATCH).await;
    }

    fn heal(&self) {
        self.sim.heal();
        self.sim.change(|now| now.refuses = false);
    }

    async fn alter(&self, _: &Rig) -> bool {
        let clock = self.sim.clock().clone();
        self.sim.change(|now| {
            let people: Vec<_> = now.system.people().iter().map(|p| p.id).collect();
            for id in people {
                let mut headers = http::HeaderMap::new();
                let token = format!("Bearer {}", snipe_it::TOKEN);
                headers.insert("authorization", token.parse().unwrap());
                headers.insert("accept", "application/json".parse().unwrap());
                let renamed = Request {
                    method: Method::PATCH,
                    path: format!("/api/v1/users/{id}"),
                    query: Vec::new(),
                    headers,
                    body: json!({ "first_name": "Altered" }).to_string().into(),
                };
                let reply = now.system.answer(&renamed, &clock);
                assert_eq!(reply.status, 200);
            }
            assert!(
                now.system
                    .people()
                    .iter()
                    .all(|p| p.first_name == "Altered")
            );
        });
        true
    }

    async fn restore(&self, _: &Rig) -> bool {
        self.sim.change(|now| now.system = snipe_it::system());
        true
    }
}

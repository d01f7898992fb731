//! What needs somebody: told once, in the log and by a webhook.
//!
//! [`Events`] takes what happened and never makes a token wait or fail; [`webhook`] carries it to whoever is configured.
//! What was told before is remembered by this process only, so a start may tell it again.

mod drift;
mod ends;
mod memory;
mod message;
mod queue;
mod verdict;
pub mod webhook;

use std::sync::Arc;

use proto::ids::TenantId;
use runtime::Clock;
use runtime::http::Client;

use ends::Ends;
use memory::Memory;
use message::{Message, Subject};
use queue::Queue;
use webhook::Delivery;

pub(crate) use drift::Drift;
pub(crate) use message::Kind;

/// Takes events. Clones are one.
#[derive(Clone)]
pub struct Events(Arc<Inner>);

struct Inner {
    clock: Clock,
    memory: Memory,
    ends: Ends,
    /// Where somebody is told; none where events go to the log only.
    queue: Option<Arc<Queue>>,
}

impl Events {
    /// Events that go to the log only.
    pub fn logged(clock: Clock) -> Self {
        Self::new(clock, None)
    }

    /// Events for the log and, where one is configured, a webhook, with what delivers them.
    pub fn open(
        config: Option<&webhook::Config>,
        http: Client,
        clock: Clock,
    ) -> (Self, Option<Delivery>) {
        let Some(config) = config else {
            return (Self::logged(clock), None);
        };
        let queue = Arc::new(Queue::default());
        let delivery = Delivery::new(config.clone(), Arc::clone(&queue), http, clock.clone());
        (Self::new(clock, Some(queue)), Some(delivery))
    }

    fn new(clock: Clock, queue: Option<Arc<Queue>>) -> Self {
        Events(Arc::new(Inner {
            clock,
            memory: Memory::default(),
            ends: Ends::default(),
            queue,
        }))
    }

    fn now(&self) -> u64 {
        self.0.clock.micros()
    }

    /// To the log, and on its way to the webhook. Waits for nothing.
    fn tell(&self, kind: Kind, subject: Subject, detail: String, remedy: String) {
        let message = Message::new(kind, subject, detail, remedy, self.now());
        let Subject {
            tenant,
            app,
            caller,
            code,
        } = &message.subject;
        tracing::warn!(
            event = kind.name(),
            id = message.id,
            tenant = tenant.map(tracing::field::display),
            app,
            caller,
            code,
            remedy = message.remedy,
            "{}",
            message.detail
        );
        runtime::metrics::token::event_told(kind.name());
        if let Some(queue) = &self.0.queue {
            queue.push(message);
        }
    }
}

#[cfg(test)]
impl Events {
    /// Events that a test takes out again.
    fn kept(clock: Clock) -> Self {
        Self::new(clock, Some(Arc::default()))
    }

    /// What was told since it was last asked.
    fn told(&self) -> Vec<(Kind, String)> {
        let queue = self.0.queue.as_ref();
        let next = || {
            let event = queue?.pop()?;
            let message = event.message()?;
            let told = (message.kind, message.detail.clone());
            event.delivered();
            Some(told)
        };
        std::iter::from_fn(next).collect()
    }
}

#[cfg(test)]
fn app(credentials: Vec<crate::CredentialConfig>) -> crate::registry::App {
    crate::registry::App {
        tenant: "11111111-2222-3333-4444-555555555555".parse().unwrap(),
        name: "core".to_owned(),
        client_id: "c".to_owned(),
        authority: String::new(),
        graph: String::new(),
        exchange: "",
        key: "core".into(),
        files: crate::files::Files::default(),
        credentials,
        longest_credential_days: None,
        datasets: None,
    }
}

/// Of an app.
fn of(tenant: TenantId, app: &str) -> Subject {
    Subject {
        tenant: Some(tenant),
        app: Some(app.to_owned()),
        ..Subject::default()
    }
}

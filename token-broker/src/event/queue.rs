//! Events on their way. Short, because whoever needs a thousand of them told needs to be told otherwise.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::message::Message;

/// So many events wait at most: what comes then is lost, and the log has it.
const MOST: usize = 1_000;

/// Waiting events.
#[derive(Default)]
pub(super) struct Queue {
    waiting: Mutex<VecDeque<Undelivered>>,
    arrived: Notify,
}

impl Queue {
    /// Waits for nothing: one too many is lost.
    pub(super) fn push(&self, message: Message) {
        let event = Undelivered::new(message);
        let mut waiting = self.waiting();
        if waiting.len() >= MOST {
            drop(waiting);
            event.lost("overflow", "more wait than are kept");
            return;
        }
        waiting.push_back(event);
        drop(waiting);
        self.arrived.notify_one();
    }

    pub(super) fn pop(&self) -> Option<Undelivered> {
        self.waiting().pop_front()
    }

    /// Waits for the next one.
    pub(super) async fn arrived(&self) {
        self.arrived.notified().await;
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Undelivered>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An event that nobody has taken yet. Wherever it is dropped, the log says that it was lost.
pub(super) struct Undelivered(Option<Message>);

impl Undelivered {
    fn new(message: Message) -> Self {
        Undelivered(Some(message))
    }

    pub(super) fn message(&self) -> Option<&Message> {
        self.0.as_ref()
    }

    /// The receiver has it.
    pub(super) fn delivered(mut self) {
        self.0 = None;
    }

    pub(super) fn lost(mut self, outcome: &'static str, why: &str) {
        if let Some(message) = self.0.take() {
            lost(&message, outcome, why);
        }
    }
}

impl Drop for Undelivered {
    fn drop(&mut self) {
        if let Some(message) = self.0.take() {
            lost(&message, "lost", "the process ended");
        }
    }
}

fn lost(message: &Message, outcome: &'static str, why: &str) {
    runtime::metrics::token::webhook_ended(outcome);
    tracing::error!(
        code = "LW-2070",
        event = message.kind.name(),
        id = message.id,
        tenant = message.subject.tenant.map(tracing::field::display),
        app = message.subject.app,
        caller = message.subject.caller,
        detail = message.detail,
        remedy = message.remedy,
        why,
        "an event did not reach the webhook"
    );
}

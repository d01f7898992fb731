//! Deliveries in hand, of one session.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lapin::Acker;
use proto::message::Queue;

use super::intake::Intake;
use crate::backend::Tag;
use crate::envelope::Envelope;

/// See the [module](self).
#[derive(Default)]
pub(super) struct Hands(Mutex<HashMap<Tag, Hand>>);

/// A delivery in hand.
#[derive(Clone)]
pub(super) struct Hand {
    pub intake: Arc<Intake>,
    pub acker: Acker,
    pub envelope: Envelope,
    pub settling: bool,
}

/// A settlement under way. Dropped before its end, it leaves the delivery in hand.
pub(super) struct Settling<'a> {
    hands: &'a Hands,
    tag: Tag,
    pub hand: Hand,
}

impl Hands {
    fn lock(&self) -> MutexGuard<'_, HashMap<Tag, Hand>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn insert(&self, tag: Tag, hand: Hand) {
        self.lock().insert(tag, hand);
    }

    /// None if it isn't in hand or is being settled.
    pub fn settle(&self, tag: Tag) -> Option<Settling<'_>> {
        let mut hands = self.lock();
        let hand = hands.get_mut(&tag).filter(|h| !h.settling)?;
        hand.settling = true;
        let hand = hand.clone();
        Some(Settling {
            hands: self,
            tag,
            hand,
        })
    }

    pub fn count(&self, queue: &Queue) -> u64 {
        let hands = self.lock();
        hands.values().filter(|h| h.intake.queue == *queue).count() as u64
    }
}

impl Settling<'_> {
    /// It is no longer in hand.
    pub fn done(self) {
        self.hands.lock().remove(&self.tag);
    }
}

impl Drop for Settling<'_> {
    fn drop(&mut self) {
        if let Some(hand) = self.hands.lock().get_mut(&self.tag) {
            hand.settling = false;
        }
    }
}

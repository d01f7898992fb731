//! At least once, whatever fails.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proto::message::Queue;
use runtime::CancellationToken;

use super::{Count, Down, Fixture, options, page, sequence};
use crate::faulty::{Faults, Faulty};
use crate::{Bus, Keys, Outcome, consume};

/// A publisher that repeats what was not confirmed gets every message through every fault, and the handler sees it.
pub async fn at_least_once(fixture: &mut dyn Fixture) {
    const MESSAGES: u32 = 300;
    let faults = Faults {
        duplicate: 0.1,
        lose_confirm: 0.1,
        lose_message: 0.1,
        reorder: 0.1,
        delay: 0.1,
        longest_delay: Duration::from_millis(20),
        crash: 0.1,
    };
    let faulty = Arc::new(Faulty::new(fixture.backend(), 7, faults));
    let bus = Bus::new(faulty.clone(), Keys::generate());
    let (stop, arrived) = (CancellationToken::new(), Count::new());
    let (seen, count) = (Arc::new(Mutex::new(BTreeSet::new())), arrived.clone());
    let handler = move |m: crate::Received| {
        if seen.lock().unwrap().insert(sequence(&m.body)) {
            count.add();
        }
        async { Ok::<_, Down>(Outcome::Done) }
    };
    let publisher = async {
        for n in 0..MESSAGES {
            while let Err(e) = bus.publish(&page(n)).await {
                assert!(e.is_retryable(), "{e:?}");
            }
        }
        arrived.reaches(MESSAGES.into()).await;
        faulty.calm();
        stop.cancel();
    };
    let (consumed, ()) = tokio::join!(
        consume(&bus, Queue::PageFull, options(4), stop.clone(), handler),
        publisher
    );
    consumed.unwrap();
    let c = faulty.counts();
    for happened in [
        c.duplicate,
        c.lose_confirm,
        c.lose_message,
        c.reorder,
        c.delay,
        c.crash,
    ] {
        assert!(happened > 0, "{c:?}");
    }
}

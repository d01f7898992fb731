//! What every backend must do. [`conformance!`](crate::conformance) runs all of it on one of them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "these are tests, in a library so that others can run them"
)]

mod consumer;
mod delivery;
mod faults;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use proto::message::{Body, Queue};
use proto::pages::v1::{PageFetched, RunMode};

use crate::{Backend, Bus, ConsumeOptions, Keys, Topology};
use runtime::retry::Backoff;
use std::time::Duration;
use tokio::sync::watch;

pub use consumer::{
    competing, dead_letter, drain, dropped_consumer, misplaced, outage, poison, stop_in_outage,
    undecodable,
};
pub use delivery::{
    back_pressure, cancelled_next, confirmed_survives, delivery_limit, large, order, purge,
    redelivery, settled_once, unroutable,
};
pub use faults::at_least_once;

/// A backend under test. It holds the only reference to it that outlives a case's statement.
#[async_trait]
pub trait Fixture: Send {
    /// The backend, with [`topology`].
    fn backend(&self) -> Arc<dyn Backend>;

    /// The process dies: nothing is closed, and what the queue server or the file knows is all that is left.
    /// [`backend`](Self::backend) is usable again after [`reopen`](Self::reopen).
    async fn crash(&mut self);

    /// Opens what `crash` left.
    async fn reopen(&mut self);

    /// Cuts the connection to the queue server, which comes back by itself. False where there is none.
    async fn cut(&mut self) -> bool {
        false
    }

    /// Whether limits hold to the message, counts are those of this moment, and what is given back comes next. Of a
    /// server, all that is only nearly so.
    fn exact(&self) -> bool {
        true
    }
}

/// One thing that every backend must do.
pub struct Case {
    /// What it is called in every list.
    pub name: &'static str,
    /// Panics where the backend fails.
    pub run: for<'a> fn(&'a mut dyn Fixture) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>,
}

/// All of them.
pub const CASES: &[Case] = &crate::conformance! { @list @table [] };

/// The queues and limits that the cases reckon with: small, so that they are reached.
pub fn topology() -> Topology {
    let mut topology = Topology::of_pools(["default".parse().unwrap()]);
    topology.delivery_limit = 5;
    topology.max_messages = 50;
    topology
}

/// One test function for each case, on the fixture that the expression makes.
///
/// ```ignore
/// bus::conformance! { #[tokio::test(start_paused = true)] MyFixture::new() }
/// ```
#[macro_export]
macro_rules! conformance {
    (#[$test:meta] $make:expr) => {
        $crate::conformance! { @list @tests [#[$test] $make] }
    };
    // The only list of the cases.
    (@list $($then:tt)*) => {
        $crate::conformance! { $($then)*
            order confirmed_survives redelivery delivery_limit back_pressure large unroutable cancelled_next purge
            settled_once dead_letter poison competing drain dropped_consumer undecodable misplaced outage
            stop_in_outage at_least_once
        }
    };
    (@tests [#[$test:meta] $make:expr] $($case:ident)*) => {
        $(#[$test] async fn $case() { $crate::suite::$case(&mut $make.await).await; })*
    };
    (@table [] $($case:ident)*) => {
        [$($crate::suite::Case { name: stringify!($case), run: |f| Box::pin($crate::suite::$case(f)) }),*]
    };
}

fn page(sequence: u32) -> Body {
    page_of(sequence, 100)
}

fn page_of(sequence: u32, bytes: usize) -> Body {
    Body::Page(PageFetched {
        tenant_id: "11111111-2222-3333-4444-555555555555".into(),
        dataset: "users".into(),
        run: 1,
        attempt: 2,
        sequence,
        mode: RunMode::Full.into(),
        body: vec![7; bytes],
        ..Default::default()
    })
}

fn sequence(body: &Body) -> u32 {
    let Body::Page(page) = body else {
        panic!("not a page: {body:?}")
    };
    page.sequence
}

async fn publish(bus: &Bus, sequences: std::ops::Range<u32>) {
    for n in sequences {
        bus.publish(&page(n)).await.unwrap();
    }
}

fn bus(fixture: &dyn Fixture) -> Bus {
    Bus::new(fixture.backend(), Keys::generate())
}

/// The next page, whatever its key.
async fn take(backend: &Arc<dyn Backend>) -> (crate::Tag, u32, u32) {
    let d = backend.next(&Queue::PageFull).await.unwrap();
    (d.tag, d.envelope.label().unwrap().sequence, d.deliveries)
}

/// Fails unless the queue holds `n` messages; a server may take a moment to count what it was told.
fn depth_is(fixture: &dyn Fixture, queue: &Queue, n: u64) -> impl Future<Output = ()> + use<> {
    let (backend, exact, queue) = (fixture.backend(), fixture.exact(), queue.clone());
    async move {
        for _ in 0..500 {
            if exact || backend.depth(&queue).await.unwrap() == n {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(backend.depth(&queue).await.unwrap(), n, "depth of {queue}");
    }
}

fn options(prefetch: usize) -> ConsumeOptions {
    // Short, for backends that run on the real clock.
    let backoff = Backoff {
        base: Duration::from_millis(5),
        max: Duration::from_millis(20),
    };
    ConsumeOptions {
        prefetch,
        backoff,
        ..Default::default()
    }
}

/// Something that fails for now.
#[derive(Debug, thiserror::Error)]
#[error("the stage is down")]
struct Down;

/// A number that a test waits for.
#[derive(Clone)]
struct Count(Arc<watch::Sender<u64>>);

impl Count {
    fn new() -> Self {
        Count(Arc::new(watch::Sender::new(0)))
    }

    fn add(&self) {
        self.0.send_modify(|n| *n += 1);
    }

    fn get(&self) -> u64 {
        *self.0.borrow()
    }

    async fn reaches(&self, n: u64) {
        self.0.subscribe().wait_for(|now| *now >= n).await.unwrap();
    }
}

/// Numbers for parallel parts of one case.
fn next(counter: &AtomicU64) -> u64 {
    counter.fetch_add(1, Ordering::SeqCst)
}

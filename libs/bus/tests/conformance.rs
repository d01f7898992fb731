//! The conformance suite on every backend of this crate, and on the fault decorator over each.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::sync::Arc;

use async_trait::async_trait;
use bus::embedded::Embedded;
use bus::faulty::{Faults, Faulty};
use bus::memory::Memory;
use bus::suite::{Fixture, topology};
use bus::{Backend, Topology};
use runtime::db::{Durability, Options};

struct InMemory {
    server: Arc<Memory>,
    faulty: bool,
}

impl InMemory {
    async fn new(faulty: bool) -> Self {
        InMemory {
            server: Arc::new(Memory::new(topology())),
            faulty,
        }
    }
}

fn decorated(backend: Arc<dyn Backend>, faulty: bool) -> Arc<dyn Backend> {
    if faulty {
        Arc::new(Faulty::new(backend, 1, Faults::default()))
    } else {
        backend
    }
}

#[async_trait]
impl Fixture for InMemory {
    fn backend(&self) -> Arc<dyn Backend> {
        decorated(self.server.clone(), self.faulty)
    }

    async fn crash(&mut self) {
        self.server.crash();
    }

    async fn reopen(&mut self) {}
}

struct InFile {
    dir: tempfile::TempDir,
    backend: Option<Arc<Embedded>>,
    brake: bool,
    faulty: bool,
}

impl InFile {
    async fn new(brake: bool, faulty: bool) -> Self {
        let mut fixture = InFile {
            dir: tempfile::tempdir().unwrap(),
            backend: None,
            brake,
            faulty,
        };
        fixture.reopen().await;
        fixture
    }
}

#[async_trait]
impl Fixture for InFile {
    fn backend(&self) -> Arc<dyn Backend> {
        decorated(self.backend.clone().unwrap(), self.faulty)
    }

    async fn crash(&mut self) {
        let backend = self.backend.take().unwrap();
        assert_eq!(
            Arc::strong_count(&backend),
            1,
            "a dead process holds nothing"
        );
    }

    async fn reopen(&mut self) {
        let path = self.dir.path().join("queue.db");
        let options = Options {
            path,
            durability: Durability::Normal,
            brake: self.brake,
        };
        self.backend = Some(Arc::new(
            Embedded::open(&options, topology()).await.unwrap(),
        ));
    }
}

mod memory {
    use super::*;
    bus::conformance! { #[tokio::test(start_paused = true)] InMemory::new(false) }
}

mod faulty_memory {
    use super::*;
    bus::conformance! { #[tokio::test(start_paused = true)] InMemory::new(true) }
}

mod embedded {
    use super::*;
    bus::conformance! { #[tokio::test(start_paused = true)] InFile::new(true, false) }
}

mod faulty_embedded {
    use super::*;
    bus::conformance! { #[tokio::test(start_paused = true)] InFile::new(true, true) }
}

mod embedded_with_threads {
    use super::*;
    bus::conformance! { #[tokio::test(flavor = "multi_thread", worker_threads = 4)] InFile::new(false, false) }
}

#[test]
fn the_usual_limits() {
    let t = Topology::of_pools(["default".parse().unwrap()]);
    assert_eq!(
        (
            t.queues.len(),
            t.delivery_limit,
            t.max_messages,
            t.max_bytes
        ),
        (6, 100, 10_000, 1 << 30)
    );
}

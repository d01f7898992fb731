//! The conformance suite on every backend of this crate that needs no server, and on the fault decorator over each.

mod fixtures;

use bus::Topology;
use fixtures::{InFile, InMemory};

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

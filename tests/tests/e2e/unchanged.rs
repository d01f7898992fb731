//! Nothing is written where nothing has changed.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::SystemTime;

use sha2::{Digest as _, Sha256};
use tests::world::{Setup, World};

/// Every file below a directory: when it was written, and what is in it.
fn files(dir: &Path) -> BTreeMap<String, (SystemTime, Vec<u8>)> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let (path, written) = {
            let entry = entry.unwrap();
            (entry.path(), entry.metadata().unwrap().modified().unwrap())
        };
        if path.is_file() {
            let content = Sha256::digest(std::fs::read(&path).unwrap()).to_vec();
            found.insert(path.display().to_string(), (written, content));
        } else {
            found.extend(files(&path));
        }
    }
    found
}

#[test]
fn an_incremental_reading_without_changes_writes_nothing() {
    let mut world = World::new(super::SETTING, Setup::users(300));
    let written = |outcome: &leastwise::Outcome| -> Vec<(String, u64, u64)> {
        let sinks = outcome.exporter.sinks.iter();
        sinks.map(|s| (s.sink.clone(), s.written, s.head)).collect()
    };
    let first = world.sync_whole();
    assert!(first.runs.iter().any(|r| r.changed > 0));
    let (sinks, inventory) = (written(&first), files(&world.path("inventory")));
    assert!(
        inventory.len() >= 7,
        "six kinds and the manifest: {inventory:?}"
    );

    for _ in 0..2 {
        let second = world.sync_whole();
        assert_eq!(
            second.runs.len(),
            4,
            "every dataset was read: {}",
            second.summary()
        );
        for run in &second.runs {
            assert_eq!(
                (run.changed, run.removed, run.suspects),
                (0, 0, 0),
                "{}",
                run.dataset
            );
        }
        assert_eq!(written(&second), sinks);
        assert_eq!(files(&world.path("inventory")), inventory);
    }
}

#[test]
fn neither_does_a_full_reading_after_a_restart() {
    let mut world = World::new(super::SETTING, Setup::users(300));
    world.sync_whole();
    let inventory = files(&world.path("inventory"));
    world.restart();
    world.next_week();
    let outcome = world.sync_whole();
    assert!(
        outcome
            .runs
            .iter()
            .any(|r| r.dataset == "users" && r.mode == "full")
    );
    assert!(
        outcome.runs.iter().all(|r| r.changed == 0),
        "{}",
        outcome.summary()
    );
    assert_eq!(files(&world.path("inventory")), inventory);
    world.is(&world.truth());
}

//! docs/privacy.md names every place where something is stored.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use tests::world::{Setting, Setup, World};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn page() -> String {
    std::fs::read_to_string(root().join("docs/privacy.md")).unwrap()
}

/// The tables that the files below a directory make.
fn tables(place: &Path, found: &mut BTreeSet<String>) {
    if place.is_dir() {
        let entries = std::fs::read_dir(place).unwrap();
        entries.for_each(|entry| tables(&entry.unwrap().path(), found));
        return;
    }
    let text = std::fs::read_to_string(place).unwrap();
    let made = text.split("CREATE TABLE ").skip(1);
    // A partition is its table.
    let made = made.filter(|rest| rest.split_whitespace().nth(1) != Some("PARTITION"));
    found.extend(made.map(|rest| rest.split_whitespace().next().unwrap().to_owned()));
}

/// What stands below a heading that begins so.
fn section<'a>(page: &'a str, heading: &str) -> &'a str {
    let (_, rest) = page.split_once(&format!("\n### {heading}")).unwrap();
    rest.split("\n### ").next().unwrap()
}

#[test]
fn every_table_is_in_the_inventory_of_data() {
    let page = page();
    for (heading, places) in [
        ("Normalizer", &["normalizer/migrations"][..]),
        ("Collector", &["collector/migrations"]),
        ("Token-broker", &["token-broker/migrations"]),
        (
            "Exporter",
            &[
                "exporter/migrations",
                "exporter/src/sink/database/sqlite/schema.sql",
                "exporter/src/sink/database/postgres/migrations",
            ],
        ),
        ("Queue", &["libs/bus/src/embedded/sql.rs"]),
    ] {
        let mut made = BTreeSet::new();
        places
            .iter()
            .for_each(|place| tables(&root().join(place), &mut made));
        assert!(!made.is_empty(), "{heading}");
        let told = section(&page, heading);
        for table in made {
            assert!(
                told.contains(&format!("`{table}`")),
                "{heading}: name `{table}` in docs/privacy.md"
            );
        }
    }
}

#[test]
fn every_queue_is_in_the_inventory_of_data() {
    let page = page();
    let told = section(&page, "Queue");
    let pools: [proto::ids::Pool; 1] = ["default".parse().unwrap()];
    for queue in bus::Topology::of_pools(pools).queues {
        let name = queue.to_string();
        let name = name.split(".default").next().unwrap();
        assert!(
            told.contains(&format!("`{name}`")),
            "name `{name}` in docs/privacy.md"
        );
    }
}

#[test]
fn every_file_of_a_data_directory_is_in_the_inventory_of_data() {
    let mut world = World::new(Setting::Embedded, Setup::users(20));
    world.sync_whole();
    let page = page();
    let mut files = 0;
    for entry in std::fs::read_dir(world.path("data")).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        let name = name.trim_end_matches("-wal").trim_end_matches("-shm");
        assert!(
            page.contains(&format!("`{name}`")),
            "name `{name}` in docs/privacy.md"
        );
        files += 1;
    }
    assert!(files > 10, "{files}");
}

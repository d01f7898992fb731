//! Every dataset comes to the inventory as the simulated tenant has it, and what left the tenant leaves the inventory.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;
use tests::compared::{
    COMPARED, Depth, REPORTS, differs, every_dataset, reading, records, subjects,
};
use tests::schema::offences;
use tests::world::{Setting, World};

fn assert_as_in_the_tenant(world: &World) {
    for (kind, ..) in COMPARED {
        assert!(!records(world, kind).is_empty(), "{kind}");
        if let Some(difference) = differs(world, kind, Depth::Values) {
            panic!("{difference}");
        }
    }
}

/// Every line is as docs/schema describes it.
fn assert_as_the_schemas_say(world: &World) {
    let schemas = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schema");
    let mut checked = BTreeSet::new();
    for entry in std::fs::read_dir(schemas).unwrap() {
        let path = entry.unwrap().path();
        let kind = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let schema = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        for record in records(world, &kind) {
            let found = offences(&schema, &record);
            assert!(found.is_empty(), "{kind}: {found:?} in {record}");
            checked.insert(kind.clone());
        }
    }
    for dataset in catalog::ALL {
        let kind = dataset.kind.name();
        assert!(checked.contains(kind), "no schema of {kind}");
    }
}

#[test]
fn every_dataset_is_in_the_inventory_as_the_tenant_has_it_and_stays_so() {
    let mut world = World::new(Setting::Embedded, every_dataset(400));
    // The simulator sends what is documented, and all of that is known.
    for run in world.sync_whole().runs {
        assert_eq!(run.unfamiliar, [], "{}", run.dataset);
    }
    assert_as_in_the_tenant(&world);
    world.sqlite_shows_the_same();
    assert_as_the_schemas_say(&world);
    // What no sink shows is read for nobody, and its permission asked for nothing.
    for dataset in catalog::ALL {
        let shown = records(&world, dataset.kind.name());
        assert!(!shown.is_empty(), "{} reaches no sink", dataset.name);
    }
    for _ in 0..3 {
        world.sim().advance(5);
        world.next_week();
        world.sync_whole();
        assert_as_in_the_tenant(&world);
    }
}

#[test]
fn usage_reports_name_whom_the_tenant_lets_them_name() {
    for concealed in [false, true] {
        let mut setup = every_dataset(400);
        setup.sim.concealed_names = concealed;
        let mut world = World::new(Setting::Embedded, setup);
        world.sync_whole();
        let settings = records(&world, "report_settings");
        assert_eq!(settings[0]["displayConcealedNames"], concealed);
        for (kind, report) in REPORTS {
            let found = records(&world, kind);
            let text = |v: &Value| v.as_str().unwrap_or_default().to_lowercase();
            let there = subjects(&world, report);
            let mut here = BTreeMap::<String, usize>::new();
            for record in &found {
                *here.entry(text(&record["subject"])).or_default() += 1;
                assert_eq!(record["concealed"], concealed, "{kind}: {record}");
                assert!(record["reportRefreshDate"].is_string(), "{kind}: {record}");
            }
            assert!(!here.is_empty(), "{kind}");
            if concealed {
                assert!(here.keys().all(|subject| !subject.contains('@')), "{kind}");
                let (here, there) = (here.values().sum::<usize>(), there.values().sum::<usize>());
                assert_eq!(here, there, "{kind}");
            } else {
                assert_eq!(here, there, "{kind}");
            }
        }
    }
}

#[test]
fn members_of_groups_without_licences_are_read_where_they_are_asked_for() {
    for all in [false, true] {
        let setup = reading(200, &[catalog::find("groupMembers").unwrap()]);
        let mut world = World::still(Setting::Embedded, setup);
        world.reconfigure(|config| config.collector.members_of_all_groups = all);
        world.sync_whole();
        let log = world.sim().log();
        let members = log.iter().filter_map(|e| e.path.strip_suffix("/members"));
        let read: BTreeSet<&str> = members.collect();
        let groups = world.sim().truth(0, "groups").unwrap();
        assert!(!read.is_empty());
        assert_eq!(
            read.len() == groups.len(),
            all,
            "{} of {}",
            read.len(),
            groups.len()
        );
    }
}

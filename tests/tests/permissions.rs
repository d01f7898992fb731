//! What the documentation says of permissions is what Microsoft says, and what the datasets need.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::path::Path;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Application permissions and their ids, from Microsoft's list.
fn known() -> BTreeMap<String, String> {
    let list = read("../shared/facts/graph-permissions.csv");
    let rows = list
        .lines()
        .skip(1)
        .map(|line| line.split(',').map(str::to_owned));
    rows.filter_map(|mut row| Some((row.next()?, row.next()?)))
        .collect()
}

#[test]
fn each_id_in_the_guide_belongs_to_its_permission() {
    let (guide, known) = (read("docs/tenant.md"), known());
    let rows: Vec<(String, String)> = guide
        .lines()
        .filter_map(|line| {
            let mut cells = line.split('`').skip(1).step_by(2);
            let (name, id) = (cells.next()?, cells.next()?);
            (line.starts_with("| `") && id.len() == 36).then(|| (name.to_owned(), id.to_owned()))
        })
        .collect();
    assert!(rows.len() >= 3, "the guide has a table of permissions");
    for (name, id) in &rows {
        assert_eq!(known.get(name), Some(id), "{name}");
    }
    // The commands name no other ids than the table.
    for (at, _) in guide.match_indices("=Role") {
        let id = &guide[at - 36..at];
        assert!(rows.iter().any(|(_, known)| known == id), "{id}");
    }
}

#[test]
fn the_guide_explains_each_permission_that_a_dataset_names_as_its_least() {
    let guide = read("docs/tenant.md");
    for dataset in catalog::ALL {
        for need in dataset.needs {
            let row = format!("| `{}` |", need.least);
            assert!(guide.contains(&row), "{row}");
        }
        let name = format!("`{}`", dataset.name);
        assert!(guide.contains(&name), "{name}");
    }
}

#[test]
fn no_dataset_accepts_a_permission_that_writes() {
    for dataset in catalog::ALL {
        for need in dataset.needs {
            for role in need.or.iter().chain([&need.least]) {
                let reads = role.ends_with(".Read.All") || role.ends_with(".Read");
                assert!(reads, "{}: {role}", dataset.name);
                assert!(known().contains_key(*role), "{}: {role}", dataset.name);
            }
        }
    }
}

/// What was granted for the last release is enough for the next one, unless the change log says so under "Permissions".
#[test]
fn no_dataset_needs_more_than_it_did_without_a_word_in_the_change_log() {
    let released = read("tests/released-permissions.csv");
    let log = read("CHANGELOG.md");
    let told: String = log
        .split("\n### ")
        .filter_map(|section| section.strip_prefix("Permissions"))
        .collect();
    for dataset in catalog::ALL {
        for need in dataset.needs {
            let line = format!("{},{}", dataset.name, need.least);
            let known = released.lines().any(|l| l == line);
            let told = told.contains(&format!("`{}`", dataset.name))
                && told.contains(&format!("`{}`", need.least));
            assert!(
                known || told,
                "`{}` needs `{}`: say so in CHANGELOG.md, under ### Permissions",
                dataset.name,
                need.least
            );
        }
    }
}

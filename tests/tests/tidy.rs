//! Keeps the shape of the workspace: what lies where, who may use whom, how long a file may be.
//!
//! Rules that are only written down do not hold. Each test lists all offenders and what to do about them.
#![allow(clippy::unwrap_used, reason = "the whole file is a test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cargo_metadata::{Dependency, DependencyKind, MetadataCommand, Package};

/// What must be at the top.
const TOP_LEVEL: [&str; 18] = [
    "Cargo.toml",
    "Cargo.lock",
    "token-broker",
    "collector",
    "normalizer",
    "exporter",
    "proto",
    "deploy",
    "tests",
    "README.md",
    "leastwise",
    "libs",
    "xtask",
    "docs",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "LICENSE",
    "rust-toolchain.toml",
];
/// What tools read may be there too, and so may anything with a dot in front.
const TOOL_FILES: [&str; 3] = ["clippy.toml", "deny.toml", "rustfmt.toml"];

/// Who may use whom of our crates.
const ARROWS: [(&str, &[&str]); 14] = [
    ("proto", &[]),
    ("catalog", &["proto"]),
    ("runtime", &[]),
    ("bus", &["proto", "runtime"]),
    ("token-broker", &["proto", "runtime", "catalog"]),
    ("collector", &["proto", "runtime", "bus", "catalog"]),
    ("normalizer", &["proto", "runtime", "bus", "catalog"]),
    ("exporter", &["proto", "runtime", "bus"]),
    ("leastwise", &EVERYTHING_BUT_THE_COMMAND),
    ("tests", &EVERYTHING),
    ("graph-sim", &[]),
    ("servers", &[]),
    ("sink-sim", &[]),
    ("xtask", &[SERVERS]),
];
/// The command links the simulator only behind a feature, which is a test of its own.
const EVERYTHING_BUT_THE_COMMAND: [&str; 9] = [
    "proto",
    "catalog",
    "runtime",
    "bus",
    "token-broker",
    "collector",
    "normalizer",
    "exporter",
    SIMULATOR,
];
const EVERYTHING: [&str; 12] = [
    "proto",
    "catalog",
    "runtime",
    "bus",
    "token-broker",
    "collector",
    "normalizer",
    "exporter",
    SIMULATOR,
    SERVERS,
    SINKS,
    "leastwise",
];
/// Shares no code with the product, so that it can't share a mistake either.
const SIMULATOR: &str = "graph-sim";
/// Starts other people's servers; knows nothing of the product.
const SERVERS: &str = "servers";
/// Plays the vendors that sinks write to; shares no code with the product either.
const SINKS: &str = "sink-sim";
/// Use nothing of ours, not even for their tests.
const ALONE: [&str; 3] = [SIMULATOR, SERVERS, "xtask"];

const LONGEST_FILE: usize = 500;
const LONGEST_MAIN: usize = 30;

#[test]
fn the_top_level_is_as_documented() {
    let mut present: Vec<_> = files().iter().map(|file| top(file)).collect();
    present.sort();
    present.dedup();
    let expected = |name: &str| {
        TOP_LEVEL.contains(&name) || TOOL_FILES.contains(&name) || name.starts_with('.')
    };
    let extra = present.iter().filter(|name| !expected(name));
    let extra = extra.map(|name| format!("{name}: does not belong here"));
    let missing = TOP_LEVEL
        .iter()
        .filter(|name| !present.iter().any(|there| there == *name));
    let missing = missing.map(|name| format!("{name}: is missing"));
    let what_to_do = "move or add it; the top level is part of the design, TOP_LEVEL follows it";
    report(what_to_do, extra.chain(missing));
}

#[test]
fn crates_use_only_what_the_design_allows() {
    let mut offenders = Vec::new();
    for package in packages() {
        let name = package.name.as_str();
        let Some((_, allowed)) = ARROWS.iter().find(|(known, _)| *known == name) else {
            offenders.push(format!("{name}: unknown, decide what it may use"));
            continue;
        };
        for dependency in ours(&package) {
            let used = dependency.name.as_str();
            // A crate uses itself in its tests to switch a feature on.
            let in_tests = dependency.kind == DependencyKind::Development
                && (used == name
                    || [SIMULATOR, SERVERS, SINKS].contains(&used) && !ALONE.contains(&name));
            if !allowed.contains(&used) && !in_tests {
                offenders.push(format!("{name} -> {used}"));
            }
        }
    }
    report(
        "remove the dependency, or change the design and then ARROWS",
        offenders,
    );
}

#[test]
fn production_images_can_leave_the_simulator_out() {
    let packages = packages();
    let command = packages
        .iter()
        .find(|package| package.name.as_str() == "leastwise")
        .unwrap();
    let linked = ours(command).filter(|used| {
        used.name == SIMULATOR && used.kind != DependencyKind::Development && !used.optional
    });
    let linked = linked.map(|_| format!("{SIMULATOR} is not optional"));
    let switches_on = |what: &String| {
        let name = what.split(['/', '?']).next().unwrap();
        name.trim_start_matches("dep:") == SIMULATOR
    };
    let features = command.features.iter().filter(|(name, _)| *name != "demo");
    let features = features.filter(|(_, what)| what.iter().any(switches_on));
    let features = features.map(|(name, _)| format!("feature {name} switches {SIMULATOR} on"));
    let what_to_do = "in leastwise only the feature `demo` may link it, by `dep:`";
    report(what_to_do, linked.chain(features));
}

/// Name and version of every crate that is linked into the program of a service, or runs while that is compiled.
fn linked(service: &str) -> BTreeSet<String> {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--locked", "--package", service])
        .args(["--features", "server", "--edges", "normal"])
        .args(["--prefix", "none", "--target", "x86_64-unknown-linux-gnu"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(tree.status.success(), "{tree:?}");
    let lines = String::from_utf8(tree.stdout).unwrap();
    let crates = lines.lines().filter_map(|line| {
        let mut words = line.split(' ');
        Some(format!("{} {}", words.next()?, words.next()?))
    });
    crates.collect()
}

#[test]
fn the_page_says_how_many_crates_each_service_links() {
    let page = fs::read_to_string(root().join("docs/security.md")).unwrap();
    let wrong = ["token-broker", "collector", "normalizer", "exporter"].map(|service| {
        let row = format!("| `{service}` | {} |", linked(service).len());
        (!page.contains(&row)).then_some(row)
    });
    let what_to_do = "correct the table of docs/security.md, \"What is linked\"";
    report(what_to_do, wrong.into_iter().flatten());
}

#[test]
fn who_holds_the_credentials_links_no_queue_and_no_sink() {
    let linked = linked("token-broker");
    let ours = |name: &String| name.starts_with("runtime ");
    assert!(linked.iter().any(ours), "{linked:?}");
    let names = linked.iter().filter_map(|line| line.split(' ').next());
    let unwanted = ["bus", "lapin", "parquet", "arrow", "object_store"];
    let found = names.filter(|name| unwanted.iter().any(|u| name.starts_with(u)));
    report(
        "switch the feature off that links it into token-broker",
        found.map(str::to_owned),
    );
}

#[test]
fn files_are_short() {
    let sources = texts().filter(|(file, _)| {
        file.extension().is_some_and(|kind| kind == "rs") && !file.starts_with("proto/src/gen")
    });
    report(
        "split the file by what its parts do",
        longer_than(LONGEST_FILE, sources),
    );
}

#[test]
fn programs_are_thin() {
    let mains = texts().filter(|(file, _)| file.ends_with("main.rs"));
    report(
        "move the work into a module or the library",
        longer_than(LONGEST_MAIN, mains),
    );
}

#[test]
fn versions_are_named_once() {
    let mut offenders = Vec::new();
    for package in packages() {
        let manifest = fs::read_to_string(&package.manifest_path).unwrap();
        let manifest: toml::Table = manifest.parse().unwrap();
        for (name, dependency) in dependency_tables(&manifest).into_iter().flatten() {
            if dependency.get("workspace").and_then(toml::Value::as_bool) != Some(true) {
                offenders.push(format!("{}: {name}", package.manifest_path));
            }
        }
    }
    let what_to_do = "name the version in [workspace.dependencies] and write `workspace = true`";
    report(what_to_do, offenders);
}

#[test]
fn nothing_is_left_for_later() {
    let marks = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("to", "do!"),
    ];
    let in_a_name = |c: char| c.is_alphanumeric() || c == '_';
    let marks_something = |line: &str, mark: &str| {
        let mut found = line.match_indices(mark);
        found.any(|(at, _)| {
            !line[..at].ends_with(in_a_name) && !line[at + mark.len()..].starts_with(in_a_name)
        })
    };
    let marked = lines_with(|line| marks.iter().any(|mark| marks_something(line, mark)));
    report("do it now, or write an issue", marked);
}

#[test]
fn no_path_of_somebodys_machine() {
    let homes = ["work", "root", "farm"].map(|dir| format!("/{dir}/"));
    let inside_a_longer_path =
        |before: char| before.is_alphanumeric() || "._-/}>~*".contains(before);
    let absolute = |line: &str, home: &str| {
        let mut found = line.match_indices(home);
        found.any(|(at, _)| !line[..at].ends_with(inside_a_longer_path))
    };
    let lines = lines_with(|line| homes.iter().any(|home| absolute(line, home)));
    report("write a path that is relative to the workspace", lines);
}

/// Fails with every offender and the way out.
fn report(what_to_do: &str, offenders: impl IntoIterator<Item = String>) {
    let offenders: Vec<_> = offenders.into_iter().collect();
    assert!(
        offenders.is_empty(),
        "{what_to_do}:\n  {}",
        offenders.join("\n  ")
    );
}

fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap().to_path_buf()
}

fn packages() -> Vec<Package> {
    let mut metadata = MetadataCommand::new();
    metadata.manifest_path(root().join("Cargo.toml")).no_deps();
    metadata.exec().unwrap().packages
}

/// The dependencies that lie in this workspace.
fn ours(package: &Package) -> impl Iterator<Item = &Dependency> {
    package
        .dependencies
        .iter()
        .filter(|dependency| dependency.path.is_some())
}

/// `[dependencies]` and its sisters, those of single targets included.
fn dependency_tables(manifest: &toml::Table) -> Vec<&toml::Table> {
    let targets = manifest.get("target").and_then(toml::Value::as_table);
    let targets = targets.into_iter().flat_map(|targets| targets.values());
    let places = std::iter::once(manifest).chain(targets.filter_map(toml::Value::as_table));
    let kinds = ["dependencies", "dev-dependencies", "build-dependencies"];
    places
        .flat_map(|place| kinds.iter().filter_map(|kind| place.get(*kind)?.as_table()))
        .collect()
}

fn longer_than(limit: usize, files: impl Iterator<Item = (PathBuf, String)>) -> Vec<String> {
    let lengths = files.map(|(file, text)| (file, text.lines().count()));
    let long = lengths.filter(|(_, lines)| *lines > limit);
    long.map(|(file, lines)| format!("{}: {lines} lines, {limit} allowed", file.display()))
        .collect()
}

fn lines_with(bad: impl Fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for (file, text) in texts() {
        let lines = text.lines().enumerate().filter(|(_, line)| bad(line));
        found.extend(
            lines.map(|(at, line)| format!("{}:{}: {}", file.display(), at + 1, line.trim())),
        );
    }
    found
}

fn top(file: &Path) -> String {
    file.iter().next().unwrap().to_string_lossy().into_owned()
}

/// All files that are text, with their content.
fn texts() -> impl Iterator<Item = (PathBuf, String)> {
    files().into_iter().filter_map(|file| {
        let text = fs::read_to_string(root().join(&file)).ok()?;
        Some((file, text))
    })
}

/// What git tracks or would track; without git, everything but build output.
fn files() -> Vec<PathBuf> {
    let listed = git_files().unwrap_or_else(walk);
    let there = |file: &PathBuf| root().join(file).exists();
    listed.into_iter().filter(there).collect()
}

fn git_files() -> Option<Vec<PathBuf>> {
    let mut git = Command::new("git");
    git.args([
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]);
    let output = git.current_dir(root()).output().ok()?;
    let names = String::from_utf8(output.stdout).ok()?;
    output
        .status
        .success()
        .then(|| names.split_terminator('\0').map(PathBuf::from).collect())
}

fn walk() -> Vec<PathBuf> {
    let (mut found, mut open) = (Vec::new(), vec![root()]);
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let inside = path.strip_prefix(root()).unwrap().to_path_buf();
            if !path.is_dir() {
                found.push(inside);
            } else if inside != Path::new("target") && !inside.ends_with(".git") {
                open.push(path);
            }
        }
    }
    found
}

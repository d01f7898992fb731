//! Where a part of a tenant's people is read, nothing of the others is in any message, database, log or sink.

use std::collections::{BTreeMap, BTreeSet};

use proto::message::Body;
use serde_json::Value;
use tests::overheard::Overheard;
use tests::process::{Installation, Simulator};
use tests::world::{Setting, Setup, World};
use token_broker::Population;

use super::LOUDEST;
use super::scan::Canaries;

pub fn every_dataset(population: Option<Population>, overheard: &Overheard) -> Setup {
    let mut setup = Setup::users(300);
    setup.datasets = Some(catalog::ALL.iter().map(|d| d.name).collect());
    let needs = catalog::ALL.iter().flat_map(|d| d.needs);
    let roles: BTreeSet<&str> = needs.map(|need| need.least).collect();
    setup.sim.roles = roles.into_iter().map(str::to_owned).collect();
    setup.sim.concealed_names = false;
    setup.population = population;
    setup.overheard = Some(overheard.clone());
    setup
}

pub fn text<'a>(object: &'a Value, name: &str) -> &'a str {
    object[name].as_str().unwrap_or_default()
}

/// Ids of the people of a tenant by whether they are inside.
fn split(users: &[Value], inside: impl Fn(&Value) -> bool) -> (BTreeSet<String>, BTreeSet<String>) {
    let (inner, outer): (Vec<_>, Vec<_>) = users.iter().partition(|u| inside(u));
    let ids = |of: Vec<&Value>| of.iter().map(|u| text(u, "id").to_owned()).collect();
    (ids(inner), ids(outer))
}

/// What belongs to people outside; their ids too where `ids` says so.
fn canaries(world: &World, outside: &BTreeSet<String>, ids: bool) -> Canaries {
    let truth = |kind: &str| world.sim().truth(0, kind).unwrap();
    let mut canaries = Canaries::default();
    let mut put = |what: &str, value: &str| {
        if value.len() >= 8 {
            canaries.text(what, value);
        }
    };
    let is_outside = |o: &Value, name: &str| outside.contains(text(o, name));
    let users = truth("users");
    let names = |u: &Value| {
        [
            text(u, "displayName").to_owned(),
            text(u, "employeeId").to_owned(),
        ]
    };
    let inner: BTreeSet<String> = users
        .iter()
        .filter(|u| !is_outside(u, "id"))
        .flat_map(names)
        .collect();
    for user in users.iter().filter(|u| is_outside(u, "id")) {
        for name in ["userPrincipalName", "mail"] {
            put(name, text(user, name));
        }
        // People inside may have the same name.
        for name in names(user).iter().filter(|n| !inner.contains(*n)) {
            put("a name", name);
        }
        if ids {
            put("an id", text(user, "id"));
        }
    }
    for device in truth("managedDevices")
        .iter()
        .filter(|d| is_outside(d, "userId"))
    {
        put("a device", text(device, "deviceName"));
        put("the id of a device", text(device, "id"));
    }
    for user in truth("deletedUsers") {
        put("a name that is deleted", text(&user, "userPrincipalName"));
    }
    for device in truth("devices") {
        put("the id of a device", text(&device, "id"));
    }
    canaries
}

/// Looks at every message since the last time, at every database and every sink. Where ids are canaries, those that the
/// users' own runs ask for or answer are none.
fn nothing_of(canaries: &Canaries, world: &World, overheard: &Overheard) {
    let mut scanner = canaries.scanner();
    for body in overheard.take(&world.path("data/queue.keys")) {
        scanner.look("a message", &body.encode());
        if let Body::Page(page) = body {
            let json = zstd::decode_all(&page.body[..]).unwrap();
            scanner.look(&format!("a page of {}", page.dataset), &json);
        }
    }
    let seen = scanner.bytes;
    assert!(seen > 100_000, "{seen} bytes of messages");
    scanner.look_below(&world.path(""), &[]);
    assert!(
        scanner.bytes > seen + 1_000_000,
        "{} bytes of files",
        scanner.bytes - seen
    );
    assert!(scanner.found.is_empty(), "{:#?}", scanner.found);
}

/// The values of a property of a kind of record, as the files sink has them.
pub fn shown(world: &World, kind: &str, property: &str) -> BTreeSet<String> {
    let file = world.path("inventory").join(format!("{kind}.ndjson"));
    let lines = std::fs::read_to_string(file).unwrap_or_default();
    let value = |line| {
        let record: Value = serde_json::from_str(line).unwrap();
        text(&record, property).to_lowercase()
    };
    lines.lines().map(value).collect()
}

/// Of each dataset that names people, those inside are read, and nobody else.
fn whoever_is_inside_is_read(world: &World, inside: &BTreeSet<String>) {
    let truth = |kind: &str| world.sim().truth(0, kind).unwrap();
    assert_eq!(shown(world, "user", "userId"), *inside);
    let of = |kind: &str, id: &str| -> BTreeSet<String> {
        let ids = truth(kind)
            .iter()
            .map(|o| text(o, id).to_owned())
            .collect::<BTreeSet<_>>();
        ids.intersection(inside).cloned().collect()
    };
    let signed_in = of("signIns", "id");
    assert!(!signed_in.is_empty());
    assert_eq!(shown(world, "sign_in_activity", "userId"), signed_in);
    assert_eq!(
        shown(world, "managed_device", "userId"),
        of("managedDevices", "userId")
    );
    let members = shown(world, "group_member", "memberId");
    assert!(!members.is_empty() && members.is_subset(inside));
    assert!(shown(world, "mailbox_purpose", "userId").is_subset(inside));
    let users = truth("users");
    let insiders = users.iter().filter(|u| inside.contains(text(u, "id")));
    let names: BTreeSet<String> = insiders
        .map(|u| text(u, "userPrincipalName").to_lowercase())
        .collect();
    for kind in ["teams_activity", "onedrive_usage", "office_activation"] {
        let subjects = shown(world, kind, "subject");
        assert!(!subjects.is_empty() && subjects.is_subset(&names), "{kind}");
    }
    for left_out in ["device", "deleted_user"] {
        assert!(shown(world, left_out, "id").is_empty(), "{left_out}");
    }
}

/// A pass that reads everything but those datasets in which people can't be told.
#[track_caller]
fn sync(world: &mut World) {
    let outcome = world.sync();
    let mut left_out = BTreeSet::new();
    for dataset in &outcome.collector.datasets {
        if dataset.phase == "skipped" {
            assert!(dataset.problem.contains("LW-3013"), "{}", dataset.problem);
            left_out.insert(dataset.dataset.as_str());
        } else {
            assert_eq!(dataset.problem, "", "{}", dataset.dataset);
        }
    }
    assert_eq!(left_out, BTreeSet::from(["deletedUsers", "devices"]));
}

/// Places where the first tenant's people are, the most frequent first.
fn locations(users: &[Value]) -> Vec<String> {
    let all: BTreeSet<&str> = users.iter().map(|u| text(u, "usageLocation")).collect();
    let mut all: Vec<&str> = all.into_iter().filter(|l| !l.is_empty()).collect();
    all.sort_by_key(|l| {
        std::cmp::Reverse(
            users
                .iter()
                .filter(|u| text(u, "usageLocation") == *l)
                .count(),
        )
    });
    all.into_iter().map(str::to_owned).collect()
}

#[test]
fn people_of_other_countries_are_in_no_message_database_or_sink() {
    let overheard = Overheard::default();
    let users = graph_sim::Sim::new(Setup::users(300).sim)
        .truth(0, "users")
        .unwrap();
    let here = locations(&users)[0].clone();
    let population = Population {
        usage_locations: Some(vec![here.to_lowercase()]),
        ..Population::default()
    };
    let mut world = World::new(
        Setting::Embedded,
        every_dataset(Some(population), &overheard),
    );
    sync(&mut world);
    let people = |world: &World| {
        let users = world.sim().truth(0, "users").unwrap();
        split(&users, |u| text(u, "usageLocation") == here)
    };
    let (inside, outside) = people(&world);
    assert!(inside.len() > 20 && outside.len() > 100, "{}", inside.len());
    nothing_of(&canaries(&world, &outside, true), &world, &overheard);
    whoever_is_inside_is_read(&world, &inside);

    // Whoever changes is named by the delta and asked for by id, whoever it is: that the id is outside is said, no more.
    for _ in 0..3 {
        world.sim().advance(2);
        world.advance_clock(std::time::Duration::from_secs(2 * 24 * 3600));
        sync(&mut world);
        let (inside, outside) = people(&world);
        nothing_of(&canaries(&world, &outside, false), &world, &overheard);
        assert_eq!(shown(&world, "user", "userId"), inside);
    }
}

/// The members of the largest group without groups inside.
fn largest_group(world: &World) -> (String, BTreeSet<String>) {
    let truth = |kind: &str| world.sim().truth(0, kind).unwrap();
    let mut members = BTreeMap::<String, BTreeSet<String>>::new();
    let users: BTreeSet<String> = truth("users")
        .iter()
        .map(|u| text(u, "id").to_owned())
        .collect();
    for member in truth("members") {
        let group = members
            .entry(text(&member, "groupId").to_owned())
            .or_default();
        group.insert(text(&member, "memberId").to_owned());
    }
    members.retain(|_, all| all.is_subset(&users) && all.len() * 2 < users.len());
    members
        .into_iter()
        .max_by_key(|(_, all)| all.len())
        .unwrap()
}

#[test]
fn a_filter_that_changes_reads_everything_again_and_who_is_outside_now_goes() {
    let overheard = Overheard::default();
    let mut world = World::new(Setting::Embedded, every_dataset(None, &overheard));
    world.sync_whole();
    let (group, members) = largest_group(&world);
    assert!(members.len() > 10);
    let everybody = shown(&world, "user", "userId");
    assert!(members.len() < everybody.len());
    overheard.take(&world.path("data/queue.keys"));

    let population = Population {
        groups: Some(vec![group.to_uppercase()]),
        ..Population::default()
    };
    world.reconfigure(|config| config.tenants[0].population = Some(population));
    let outcome = world.sync();
    let users = outcome.runs.iter().find(|r| r.dataset == "users").unwrap();
    assert_eq!(
        (users.mode.as_str(), users.fetched),
        ("full", members.len() as u64)
    );
    // That so many go at once is held until somebody has looked.
    assert_eq!(shown(&world, "user", "userId"), everybody);
    assert!(world.approve(users.run) > 0);
    world.sync();
    assert_eq!(shown(&world, "user", "userId"), members);

    // The others' names are in nothing that was published since.
    let outside: BTreeSet<String> = everybody.difference(&members).cloned().collect();
    let canaries = canaries(&world, &outside, false);
    let mut scanner = canaries.scanner();
    let mut gone = BTreeSet::new();
    for body in overheard.take(&world.path("data/queue.keys")) {
        let Body::Page(page) = body else { continue };
        let json = zstd::decode_all(&page.body[..]).unwrap();
        scanner.look(&page.dataset, &json);
        gone.extend(page.gone);
    }
    assert!(scanner.found.is_empty(), "{:#?}", scanner.found);
    assert_eq!(gone, outside);
}

#[test]
fn a_log_at_its_loudest_names_nobody_outside() {
    let simulator = Simulator::start(240, 3);
    let home = Installation::of(&simulator);
    let text_of = std::fs::read_to_string(home.path("leastwise.toml")).unwrap();
    let users = simulator.control("GET", "truth/0/users", "");
    let users: Vec<Value> = users
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    let here = locations(&users)[0].clone();
    let section = format!("[tenants.population]\nusage_locations = ['{here}']\n");
    let at = text_of.find("[[sinks]]").unwrap();
    home.write(
        "leastwise.toml",
        &format!("{}{section}{}", &text_of[..at], &text_of[at..]),
    );
    let mut canaries = Canaries::default();
    let (inside, outside): (Vec<&Value>, Vec<&Value>) =
        users.iter().partition(|u| text(u, "usageLocation") == here);
    for user in &outside {
        canaries.text("a name", text(user, "userPrincipalName"));
        canaries.text("an id", text(user, "id"));
    }
    let mut command = home.command(["sync", "-vv"]);
    let ended = command.env(LOUDEST.0, LOUDEST.1).output().unwrap();
    let printed = format!(
        "{}{}",
        String::from_utf8_lossy(&ended.stdout),
        String::from_utf8_lossy(&ended.stderr)
    );
    assert!(
        ended.status.success() && printed.contains("TRACE"),
        "{printed}"
    );
    assert!(
        printed.contains(&format!("users: {} objects", inside.len())),
        "{printed}"
    );
    let mut scanner = canaries.scanner();
    scanner.look("what was printed", printed.as_bytes());
    scanner.look_below(&home.path(""), &[]);
    assert!(scanner.found.is_empty(), "{:#?}", scanner.found);
    assert!(!outside.is_empty() && scanner.bytes > 1_000_000);
}

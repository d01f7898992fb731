//! Fields that are dropped or replaced, and people who are erased, are in no message, database, sink or log.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use proto::admin::v1::normalizer_admin_client::NormalizerAdminClient;
use proto::admin::v1::{EraseRequest, EraseResponse};
use proto::message::Body;
use serde_json::Value;
use tests::overheard::Overheard;
use tests::process::{Ended, Installation, Simulator};
use tests::world::{Setting, World};

use super::LOUDEST;
use super::population::{every_dataset, shown, text};
use super::scan::{Canaries, Scanner};

/// Names of people and of their devices, and where these are from; what sums are made of is kept.
const FIELDS: &str = "[fields]
displayName = 'drop'
givenName = 'drop'
surname = 'drop'
employeeId = 'drop'
deviceName = 'drop'
serialNumber = 'pseudonymise'
mail = 'pseudonymise'
userPrincipalName = 'pseudonymise'
";

/// What belongs to these users; what shorter texts would find is found by chance.
fn canaries_of(canaries: &mut Canaries, users: &[Value], properties: &[&str]) {
    for user in users {
        for name in properties.iter().filter(|n| text(user, n).len() >= 8) {
            canaries.text(name, text(user, name));
        }
    }
}

fn truth(world: &World, kind: &str) -> Vec<Value> {
    world.sim().truth(0, kind).unwrap()
}

/// Looks at every file of a world, but for the databases of these services.
fn look_at_files(scanner: &mut Scanner<'_>, world: &World, but: &[&str]) {
    let files =
        |name: &&str| ["", "-wal", "-shm"].map(|end| world.path(&format!("data/{name}.db{end}")));
    let but: Vec<PathBuf> = but.iter().flat_map(files).collect();
    let before = scanner.bytes;
    scanner.look_below(&world.path(""), &but);
    let seen = scanner.bytes - before;
    assert!(seen > 1_000_000, "{seen} bytes of files");
}

/// Nothing that is treated is in a file; nothing that is dropped is in a message.
fn nothing_is_told(world: &World, overheard: &Overheard) {
    let (users, deleted) = (truth(world, "users"), truth(world, "deletedUsers"));
    let devices = truth(world, "managedDevices");
    let mut dropped = Canaries::default();
    canaries_of(&mut dropped, &users, &["displayName", "employeeId"]);
    canaries_of(&mut dropped, &devices, &["deviceName"]);
    let mut scanner = dropped.scanner();
    for body in overheard.take(&world.path("data/queue.keys")) {
        scanner.look("a message", &body.encode());
        if let Body::Page(page) = body {
            let json = zstd::decode_all(&page.body[..]).unwrap();
            scanner.look(&format!("a page of {}", page.dataset), &json);
        }
    }
    assert!(
        scanner.bytes > 100_000,
        "{} bytes of messages",
        scanner.bytes
    );
    assert!(scanner.found.is_empty(), "{:#?}", scanner.found);

    let mut all = dropped;
    canaries_of(&mut all, &users, &["userPrincipalName", "mail"]);
    canaries_of(&mut all, &deleted, &["userPrincipalName", "displayName"]);
    canaries_of(&mut all, &devices, &["serialNumber"]);
    let mut scanner = all.scanner();
    look_at_files(&mut scanner, world, &[]);
    assert!(scanner.found.is_empty(), "{:#?}", scanner.found);
}

#[test]
fn what_is_dropped_is_in_no_message_and_what_is_replaced_in_no_file() {
    let overheard = Overheard::default();
    let mut setup = every_dataset(None, &overheard);
    // Ends of ranges are stored while a reading goes on.
    setup.ranges_above = 100;
    let mut world = World::new(Setting::Embedded, setup);
    let none = std::collections::HashMap::new();
    let privacy = runtime::config::parse(FIELDS, "test", none).unwrap();
    world.reconfigure(|config| config.privacy = privacy);
    world.sync_whole();
    nothing_is_told(&world, &overheard);
    for _ in 0..2 {
        world.sim().advance(2);
        world.advance_clock(Duration::from_secs(2 * 24 * 3600));
        world.sync();
        nothing_is_told(&world, &overheard);
    }
    // Everybody is there, and rows of reports still find their users.
    let ids: BTreeSet<String> = truth(&world, "users")
        .iter()
        .map(|u| text(u, "id").to_owned())
        .collect();
    assert_eq!(shown(&world, "user", "userId"), ids);
    let names = shown(&world, "user", "userPrincipalName");
    assert!(names.len() == ids.len() && names.iter().all(|n| n.starts_with("p-")));
    for kind in ["teams_activity", "onedrive_usage", "office_activation"] {
        let subjects = shown(&world, kind, "subject");
        assert!(
            subjects.intersection(&names).count() * 10 > subjects.len() * 8,
            "{kind}"
        );
    }

    // A field more: everything is read again.
    let fields = format!("{FIELDS}city = 'drop'\n");
    let none = std::collections::HashMap::new();
    let privacy = runtime::config::parse(&fields, "test", none).unwrap();
    assert!(shown(&world, "user", "city").len() > 1);
    world.reconfigure(|config| config.privacy = privacy);
    let outcome = world.sync();
    let users = outcome.runs.iter().find(|r| r.dataset == "users").unwrap();
    assert_eq!(users.mode, "full");
    assert_eq!(
        shown(&world, "user", "city"),
        BTreeSet::from([String::new()])
    );
    nothing_is_told(&world, &overheard);
}

/// Somebody with a device, a licence and rows in reports.
fn somebody(world: &World) -> Value {
    let (users, devices) = (truth(world, "users"), truth(world, "managedDevices"));
    let reported = shown(world, "teams_activity", "subject");
    let owners: BTreeSet<&str> = devices.iter().map(|d| text(d, "userId")).collect();
    let fits = |u: &&Value| {
        owners.contains(text(u, "id"))
            && reported.contains(&text(u, "userPrincipalName").to_lowercase())
            && users
                .iter()
                .filter(|o| o["displayName"] == u["displayName"])
                .count()
                == 1
    };
    users.iter().find(fits).unwrap().clone()
}

fn erase(world: &World, user: &str) -> EraseResponse {
    let mut normalizer = NormalizerAdminClient::new(world.clients().normalizer);
    let request = EraseRequest {
        users: vec![user.to_owned()],
        ..EraseRequest::default()
    };
    world.run(async { normalizer.erase(request).await.unwrap().into_inner() })
}

/// The names of somebody, and the id.
fn canaries_of_somebody(world: &World, user: &Value) -> (Canaries, Canaries) {
    let (mut names, mut ids) = (Canaries::default(), Canaries::default());
    canaries_of(
        &mut names,
        std::slice::from_ref(user),
        &["userPrincipalName", "mail", "displayName", "employeeId"],
    );
    for device in truth(world, "managedDevices")
        .iter()
        .filter(|d| d["userId"] == user["id"])
    {
        names.text("a device", text(device, "deviceName"));
        names.text("a serial number", text(device, "serialNumber"));
    }
    ids.text("an id", text(user, "id"));
    (names, ids)
}

#[test]
fn whoever_was_erased_is_in_no_database_and_no_sink_after_further_readings() {
    let overheard = Overheard::default();
    let mut world = World::new(Setting::Embedded, every_dataset(None, &overheard));
    world.sync_whole();
    let user = somebody(&world);
    let (names, ids) = canaries_of_somebody(&world, &user);
    let found = |world: &World, canaries: &Canaries, but: &[&str]| {
        let mut scanner = canaries.scanner();
        look_at_files(&mut scanner, world, but);
        scanner.found
    };
    assert!(found(&world, &names, &[]).len() > 3);
    let everybody = shown(&world, "user", "userId").len();

    let erased = erase(&world, text(&user, "userPrincipalName"));
    assert_eq!(
        (erased.unnamed, erased.without_id, erased.remnants.as_str()),
        (0, 0, "")
    );
    assert!(erased.records.len() > 6, "{erased:?}");
    for days in [0, 1, 7] {
        world.sim().advance(days);
        world.advance_clock(Duration::from_secs(u64::from(days) * 24 * 3600));
        world.sync();
        assert_eq!(
            found(&world, &names, &[]),
            BTreeSet::new(),
            "after {days} days"
        );
        // The collector asks for whom Graph names as changed, whoever that is.
        assert_eq!(
            found(&world, &ids, &["collector"]),
            BTreeSet::new(),
            "after {days} days"
        );
    }
    assert!(!shown(&world, "user", "userId").contains(text(&user, "id")));
    assert!(shown(&world, "user", "userId").len() + 20 > everybody);
}

#[test]
fn a_log_at_its_loudest_names_nobody_who_is_erased() {
    let simulator = Simulator::start(120, 3);
    let home = Installation::of(&simulator);
    assert_eq!(home.run(["sync"]).code, Some(0));
    let users = simulator.control("GET", "truth/0/users", "");
    let user: Value = serde_json::from_str(users.lines().nth(7).unwrap()).unwrap();
    let mut names = Canaries::default();
    canaries_of(
        &mut names,
        std::slice::from_ref(&user),
        &["userPrincipalName", "mail"],
    );
    let mut out = String::new();
    let mut run = |arguments: &[&str]| -> Ended {
        let mut command = home.command(arguments);
        let ended: Ended = command.env(LOUDEST.0, LOUDEST.1).output().unwrap().into();
        out += &format!("{ended:?}");
        ended
    };
    let name = text(&user, "userPrincipalName");
    let why = "asked for it";
    let ended = run(&["privacy", "erase", "-vv", "--user", name, "--why", why]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.out.contains("Erased: "), "{ended:?}");
    let again = run(&["privacy", "erase", "--user", name]);
    assert_eq!(again.code, Some(1), "{again:?}");
    assert_eq!(run(&["sync", "-vv"]).code, Some(0));
    let listed = run(&["privacy", "list", "--output", "json"]);
    let listed: Value = serde_json::from_str(&listed.out).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
    let mut scanner = names.scanner();
    assert!(out.contains("TRACE") && out.contains(why));
    scanner.look("what was printed", out.as_bytes());
    scanner.look_below(&home.path(""), &[]);
    assert!(scanner.found.is_empty(), "{:#?}", scanner.found);

    let hash = listed[0]["person"].as_str().unwrap();
    home.works(["privacy", "lift", "--user", hash]);
    home.works(["sync"]);
    let inventory = std::fs::read_to_string(home.path("inventory/user.ndjson")).unwrap();
    assert!(inventory.contains(name));
}

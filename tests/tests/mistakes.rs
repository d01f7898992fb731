//! What people do wrong, and what they are told: one message with a code, the right exit code, never a secret.
#![allow(clippy::unwrap_used, reason = "the whole file is a test")]

use tests::process::{Ended, Installation, Running, Simulator};

/// One clear message, no panic, no secret.
#[track_caller]
fn told(sim: &Simulator, ended: &Ended, exit: i32, code: &str, says: &[&str]) {
    let Ended { out, err, .. } = ended;
    assert_eq!(ended.code, Some(exit), "{ended:?}");
    let messages: Vec<_> = err.lines().filter(|l| l.starts_with("LW-")).collect();
    assert_eq!(messages.len(), 1, "{err}");
    assert!(messages[0].starts_with(&format!("{code}: ")), "{err}");
    for part in says {
        assert!(messages[0].contains(part), "{part:?} is missing in {err}");
    }
    for text in [out, err] {
        assert!(!text.contains("panicked"), "{text}");
        assert!(
            !text.contains(sim.text("clientSecret")),
            "the secret is in the output"
        );
    }
}

/// The configuration with one text replaced.
fn changed(home: &Installation, from: &str, to: &str) {
    let text = std::fs::read_to_string(home.path("leastwise.toml")).unwrap();
    assert!(text.contains(from), "{from:?} is not in {text}");
    home.write("leastwise.toml", &text.replace(from, to));
}

#[test]
fn a_network_that_leads_nowhere() {
    let sim = Simulator::start(50, 1);
    let home = Installation::of(&sim);
    // A port that was free a moment ago.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let free = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    assert_eq!(sim.text("graph"), sim.text("authority"));
    changed(&home, sim.text("graph"), &free);
    let says = ["can't be reached", &free, "What to do"];
    told(&sim, &home.run(["sync"]), 1, "LW-2010", &says);
}

#[test]
fn a_wrong_secret() {
    let sim = Simulator::start(50, 2);
    let home = Installation::of(&sim);
    home.write("client-secret", "not-the-secret-at-all");
    let ended = home.run(["sync", "-vv"]);
    told(
        &sim,
        &ended,
        1,
        "LW-2001",
        &["AADSTS7000215", "client_secret_file"],
    );
    assert!(!format!("{ended:?}").contains("not-the-secret-at-all"));
    // Put right, it works without anything else.
    home.write("client-secret", sim.text("clientSecret"));
    let ended = home.run(["sync", "-vv"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(!format!("{ended:?}").contains(sim.text("clientSecret")));
}

#[test]
fn a_secret_that_is_not_there() {
    let sim = Simulator::start(50, 3);
    let home = Installation::of(&sim);
    std::fs::remove_file(home.path("client-secret")).unwrap();
    told(
        &sim,
        &home.run(["sync"]),
        1,
        "LW-2013",
        &["client-secret", "can't be read"],
    );
}

#[test]
fn a_misspelt_key_names_the_nearest() {
    let sim = Simulator::start(50, 4);
    let home = Installation::of(&sim);
    changed(&home, "client_secret_file", "client_secret_flie");
    let ended = home.run(["sync"]);
    told(
        &sim,
        &ended,
        64,
        "LW-1002",
        &["client_secret_flie", "client_secret_file"],
    );
}

#[test]
fn a_second_process_on_the_same_directory() {
    let sim = Simulator::start(2_000, 5);
    let home = Installation::of(&sim);
    sim.control("POST", "faults", r#"{"delayMs":60000}"#);
    let first = Running::start(&mut home.command(["sync"]));
    while !home.path("leastwise-data/format").exists() {
        std::thread::yield_now();
    }
    told(
        &sim,
        &home.run(["sync"]),
        75,
        "LW-4011",
        &["another process", "leastwise-data"],
    );
    told(&sim, &home.run(["position"]), 75, "LW-4011", &[]);
    drop(first);
}

#[test]
fn a_directory_that_cannot_be_written() {
    let sim = Simulator::start(50, 6);
    let home = Installation::of(&sim);
    home.write("file", "");
    changed(&home, "\"leastwise-data\"", "\"file/below\"");
    told(&sim, &home.run(["sync"]), 74, "LW-4010", &["file/below"]);
}

#[test]
fn no_configuration() {
    let sim = Simulator::start(50, 7);
    let home = Installation::of(&sim);
    std::fs::remove_file(home.path("leastwise.toml")).unwrap();
    let ended = home.run(["sync"]);
    told(
        &sim,
        &ended,
        64,
        "LW-1001",
        &["leastwise.toml", "leastwise init"],
    );
}

#[test]
fn an_inventory_that_cannot_be_written() {
    let sim = Simulator::start(50, 8);
    let home = Installation::of(&sim);
    home.write("inventory", "a file is in the way");
    let ended = home.run(["sync"]);
    told(&sim, &ended, 1, "LW-6011", &["inventory"]);
}

//! All services in one process, and the commands: what they print and what they leave in their directories.

use std::process::Stdio;

use tests::process::{Installation, Running, Simulator};

use super::LOUDEST;
use super::scan::Canaries;

const WRONG: &str = "wrong-canary~8Q~never.a.secret.of.anybody";

/// Runs a command at its loudest, to its end; all that it printed.
fn printed(home: &Installation, arguments: &[&str]) -> String {
    let mut command = home.command(arguments);
    let ended = command.env(LOUDEST.0, LOUDEST.1).output().unwrap();
    format!("{ended:?}{}", String::from_utf8_lossy(&ended.stderr))
}

#[test]
fn one_process_and_its_commands_write_no_secret() {
    let (first, second) = (Simulator::start(60, 3), Simulator::start(40, 4));
    let home = Installation::of(&first);
    let mut canaries = Canaries::default();
    canaries.text("a client secret", first.text("clientSecret"));
    canaries.text("another client secret", second.text("clientSecret"));
    canaries.text("a wrong secret", WRONG);
    let mut out = String::new();
    let mut run = |arguments: &[&str]| out += &printed(&home, arguments);

    // Wrong first, in files and in the configuration.
    home.write("client-secret", WRONG);
    run(&["sync", "-vv"]);
    home.write("client-secret", first.text("clientSecret"));
    let right = std::fs::read_to_string(home.path("leastwise.toml")).unwrap();
    for (from, to) in [
        ("client_secret_file", "client_secret"),
        (
            "client_secret_file = \"client-secret\"",
            "client_secret_file = \"WRONG",
        ),
        (
            "client_secret_file = \"client-secret\"",
            "client_secret_file = \"WRONG\"",
        ),
        (
            "client_secret_file = \"client-secret\"",
            "credentials = \"WRONG\"",
        ),
    ] {
        assert!(right.contains(from), "{right}");
        let wrong = right.replacen(from, &to.replace("WRONG", WRONG), 1);
        home.write(
            "leastwise.toml",
            &wrong.replace("\"client-secret\"", &format!("\"{WRONG}\"")),
        );
        for arguments in [&["sync"][..], &["--check-config"], &["status"]] {
            run(arguments);
        }
    }
    home.write("leastwise.toml", &right);
    run(&["--dump-config"]);
    run(&["sync", "-vv"]);

    std::fs::create_dir(home.path("new")).unwrap();
    home.write("new/secret", WRONG);
    let section = format!(
        "id = '{}'\nclient_id = '{}'\nauthority = '{}'\ngraph = '{}'\n[[credentials]]\nkind = 'client_secret'\nfile = 'secret'\n",
        second.text("id"),
        second.text("clientId"),
        second.text("authority"),
        second.text("graph")
    );
    home.write("new/tenant.toml", &section);
    let add = [
        "tenants",
        "add",
        "--file",
        "new/tenant.toml",
        "--reason",
        "x",
        "-vv",
    ];
    run(&add);
    home.write("new/secret", second.text("clientSecret"));
    run(&add);
    run(&["tenants", "list"]);
    run(&["tenants", "preflight", second.text("id")]);
    run(&["sync", "-vv"]);
    let key = std::fs::read_to_string(home.path("leastwise-data/token-broker.key")).unwrap();
    canaries.text("the store's key", &key);

    let mut all = home.command(["run", "-vv"]);
    let log = std::fs::File::create(home.path("run.log")).unwrap();
    let all = all.env(LOUDEST.0, LOUDEST.1).stdin(Stdio::null());
    let all = all.stdout(log.try_clone().unwrap()).stderr(log);
    let running = Running(all.spawn().unwrap());
    while !home.path("leastwise-data/admin.sock").exists() {
        std::thread::yield_now();
    }
    run(&["kill", second.text("id"), "--reason", "x"]);
    run(&["sync"]);
    drop(running);
    out += &std::fs::read_to_string(home.path("run.log")).unwrap();

    let mut scanner = canaries.scanner();
    scanner.look("what was printed", out.as_bytes());
    let audit = home.path("leastwise-data/audit/checkpoint.key");
    let but = [
        "client-secret",
        "new/secret",
        "leastwise-data/token-broker.key",
    ];
    let mut but: Vec<_> = but.map(|name| home.path(name)).to_vec();
    but.push(audit);
    scanner.look_below(&home.path(""), &but);
    assert!(scanner.found.is_empty(), "{:#?}", scanner.found);
    for seen in [
        "TRACE",
        "LW-2001",
        "LW-1002",
        "LW-1003",
        "LW-2062",
        "AADSTS7000215",
    ] {
        assert!(out.contains(seen), "{seen} is missing");
    }
    // The databases, the queue and the inventory are there, and were looked at.
    for name in ["leastwise-data", "inventory"] {
        assert!(
            std::fs::read_dir(home.path(name)).unwrap().count() > 2,
            "{name}"
        );
    }
}

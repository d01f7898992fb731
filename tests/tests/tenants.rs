//! Tenants, credentials and the kill switch on the command line.
#![allow(clippy::unwrap_used, reason = "the whole file is a test")]

use std::io::{BufRead as _, BufReader};

use serde_json::{Value, json};
use tests::process::{Installation, Running, Simulator};

/// The second tenant's section and its secret, as an operator puts them into a directory of their own.
fn second(home: &Installation, sim: &Simulator) -> String {
    std::fs::create_dir(home.path("second")).unwrap();
    home.write("second/secret", sim.text("clientSecret"));
    home.write(
        "second/tenant.toml",
        &format!(
            "id = '{}'\nclient_id = '{}'\nauthority = '{}'\ngraph = '{}'\n[[credentials]]\nkind = 'client_secret'\nfile = 'secret'\n",
            sim.text("id"),
            sim.text("clientId"),
            sim.text("authority"),
            sim.text("graph"),
        ),
    );
    sim.text("id").to_owned()
}

fn tenants(home: &Installation) -> Vec<Value> {
    let text = home.works(["tenants", "list", "--output", "json"]);
    serde_json::from_str(&text).unwrap()
}

#[test]
fn a_tenant_is_added_read_stopped_and_removed_by_commands() {
    let (first, other) = (Simulator::start(40, 1), Simulator::start(50, 2));
    let home = Installation::of(&first);
    let id = second(&home, &other);
    let add = [
        "tenants",
        "add",
        "--file",
        "second/tenant.toml",
        "--reason",
        "new customer",
    ];
    let out = home.works(add);
    assert!(
        out.contains("Each credential got a token") && out.contains("User.Read.All"),
        "{out}"
    );
    std::fs::remove_dir_all(home.path("second")).unwrap();
    let all = tenants(&home);
    assert!(
        all.len() == 2
            && all
                .iter()
                .any(|t| t["tenantId"] == *id && t["stored"] == true),
        "{all:?}"
    );
    let out = home.works(["sync"]);
    assert!(
        out.contains("users: 40 objects") && out.contains("users: 50 objects"),
        "{out}"
    );
    let out = home.works(["tenants", "preflight", &id]);
    assert!(out.contains("credential: 0 client_secret"), "{out}");

    // While all four services work: from the next call on nothing is handed out, for that tenant.
    let running = Running::start(&mut home.command(["run"]));
    while !home.path("leastwise-data/admin.sock").exists() {
        std::thread::yield_now();
    }
    let out = home.works(["kill", &id, "--reason", "an incident"]);
    assert!(
        out.contains("within 300 s") && out.contains("enterprise"),
        "{out}"
    );
    let list = home.works(["tenants", "list"]);
    assert!(
        list.contains("Stopped") && list.contains("an incident"),
        "{list}"
    );
    running.signal("TERM");
    assert_eq!(running.end().code, Some(0));
    let ended = home.run(["sync"]);
    assert!(
        ended.code != Some(0) && ended.err.contains("LW-2062"),
        "{ended:?}"
    );
    home.works(["revive", &id, "--reason", "it is over"]);
    home.works(["sync"]);

    let remove = ["tenants", "remove", &id, "--reason", "it left"];
    home.works(remove);
    home.works(["sync"]);
    let users = std::fs::read_to_string(home.path("inventory/user.ndjson")).unwrap();
    assert_eq!(users.lines().filter(|l| l.contains(&id)).count(), 0);
    assert!(users.lines().count() > 30);
    for (wrong, told) in [
        (
            vec!["tenants", "remove", first.text("id"), "--reason", "x"],
            "LW-2065",
        ),
        (
            vec![
                "kill",
                "11111111-2222-3333-4444-555555555555",
                "--reason",
                "x",
            ],
            "LW-2011",
        ),
        (vec!["kill", &id], "--reason"),
        (
            vec!["tenants", "add", "--file", "none", "--reason", "x"],
            "LW-1001",
        ),
    ] {
        let ended = home.run(&wrong);
        assert!(
            ended.code != Some(0) && ended.err.contains(told),
            "{wrong:?}: {ended:?}"
        );
    }
}

#[test]
fn a_person_signs_in_by_command_and_nothing_of_it_is_shown() {
    let (first, other) = (Simulator::start(40, 1), Simulator::start(50, 2));
    let home = Installation::of(&first);
    let apps: Value = serde_json::from_str(&other.control("GET", "entra?tenant=0", "")).unwrap();
    let mut apps = apps["applications"].as_array().unwrap().iter();
    let app = apps.find(|app| app["public"] == true).unwrap();
    let id = other.text("id");
    home.write(
        "tenant.toml",
        &format!(
            "id = '{id}'\nclient_id = '{}'\nauthority = '{}'\ngraph = '{}'\n",
            app["clientId"].as_str().unwrap(),
            other.text("authority"),
            other.text("graph"),
        ),
    );
    let mut command = home.command([
        "credentials",
        "sign-in",
        "--file",
        "tenant.toml",
        "--until",
        "2999-12-31",
        "--reason",
        "consent comes in May",
        "-vv",
    ]);
    let mut running = Running::start(&mut command);
    let mut lines = BufReader::new(running.0.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap);
    let mut shown = String::new();
    let code = loop {
        let line = lines.next().unwrap();
        shown += &line;
        if let Some((_, code)) = line.split_once("enter the code ") {
            break code.to_owned();
        }
    };
    assert!(
        shown.starts_with("LEGACY") && shown.contains("/_device"),
        "{shown}"
    );
    other.control("POST", "device", &json!({ "userCode": code }).to_string());
    let rest: Vec<String> = lines.collect();
    let ended = running.end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let all = shown + &rest.join("\n") + &ended.err;
    assert!(
        all.contains("sealed in the store") && all.contains("User.Read.All"),
        "{all}"
    );
    for token in ["eyJ", "1.A"] {
        assert!(!all.contains(token), "{token} is shown: {all}");
    }
    let list = home.works(["tenants", "list"]);
    assert!(
        list.contains("0 refresh_token, ends 3000-01-01, LEGACY"),
        "{list}"
    );
    let out = home.works(["sync"]);
    assert!(out.contains("users: 50 objects"), "{out}");
    let again = ["credentials", "sign-in", id, "--until", "2020-12-31"];
    let ended = home.run(again.into_iter().chain(["--reason", "x"]));
    assert!(
        ended.code == Some(1) && ended.err.contains("LW-2016"),
        "{ended:?}"
    );
}

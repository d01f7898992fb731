//! Tenants, credentials and the kill switch on the command line.
#![allow(clippy::unwrap_used, reason = "the whole file is a test")]

use serde_json::Value;
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

//! `leastwise sinks`, as an operator uses it while a sink refuses a record.
#![allow(clippy::unwrap_used, reason = "the whole file is a test")]

use serde_json::Value;
use sink_sim::{Fault, Rule, Sim, Webhook};
use tests::process::{Installation, Simulator};

#[test]
fn what_a_sink_lacks_and_refuses_is_shown_and_sent_again() {
    let graph = Simulator::start(20, 5);
    let crm = Sim::start(Webhook::default()).unwrap();
    let home = Installation::of(&graph);
    home.write("crm.secret", "0123456789abcdef");
    let toml = std::fs::read_to_string(home.path("leastwise.toml")).unwrap();
    let sink = format!(
        "\n[[sinks]]\nkind = \"webhook\"\nname = \"crm\"\nurl = \"{}/events\"\nsecret_file = \"crm.secret\"\n\
         expires = \"2026-01-31\"\nshows = {{ kinds = [\"user\"] }}\n",
        crm.url()
    );
    home.write("leastwise.toml", &(toml + &sink));
    // One of the first events is refused, as such.
    let refused = Fault::Status {
        status: 422,
        retry_after: None,
    };
    crm.inject(Rule::once(refused));
    home.works(["sync"]);
    let events = || crm.read(|c| c.events().len());
    assert_eq!(events(), 19);

    let listed = home.json(["sinks", "list"]);
    let sinks = listed.as_array().unwrap();
    let shown = sinks.iter().find(|s| s["sink"] == "crm").unwrap();
    assert_eq!(shown["rejects"], 1, "{shown}");
    assert_eq!(
        (&shown["delivered"], &shown["tenants"]),
        (&1.into(), &1.into()),
        "{shown}"
    );
    assert_eq!(
        (&shown["breaker"], &shown["problem"]),
        (&"closed".into(), &"".into())
    );
    assert!(shown["credentialDays"].as_i64() < Some(0), "{shown}");

    let rejects = home.json(["sinks", "rejects", "list", "--sink", "crm"]);
    let key = rejects[0]["key"].as_str().unwrap().to_owned();
    assert_eq!(rejects.as_array().unwrap().len(), 1);
    let told = home.works(["sinks", "rejects", "show", &key]);
    assert!(
        told.contains("The sink crm refused user") && told.contains("422"),
        "{told}"
    );
    let one = home.works(["sinks", "rejects", "replay", "--key", &key]);
    assert!(one.starts_with("1 records are sent again"), "{one}");
    home.works(["sync"]);
    assert_eq!(events(), 20);
    assert_eq!(
        home.json(["sinks", "rejects", "list"]),
        Value::Array(Vec::new())
    );

    // What would be sent is nothing; anew it is everything, and only to who is asked for it.
    let tested = home.json(["sinks", "test", "crm"]);
    let written = |tested: &Value| {
        tested
            .as_array()
            .unwrap()
            .iter()
            .map(|c| c["written"].as_u64().unwrap())
            .sum::<u64>()
    };
    assert_eq!(written(&tested), 0, "{tested}");
    let anew = home.works(["sinks", "resync", "crm", "--reason", "it was restored"]);
    assert!(anew.starts_with("crm gets 1 tenants anew"), "{anew}");
    home.works(["sync"]);
    let received = crm.read(|c| c.duplicates());
    assert_eq!((events() + usize::try_from(received).unwrap()), 40);

    for arguments in [["sinks", "test", "nobody"], ["sinks", "resync", "nobody"]] {
        let ended = home.run(arguments);
        assert_ne!(ended.code, Some(0), "{ended:?}");
        assert!(
            ended.err.contains("nobody") && ended.err.contains("LW-"),
            "{ended:?}"
        );
    }
    crm.inject(Rule::always(Fault::Unauthorized));
    let ended = home.run(["sinks", "test", "crm"]);
    assert_ne!(ended.code, Some(0));
    assert!(ended.err.contains("LW-6042"), "{ended:?}");
}

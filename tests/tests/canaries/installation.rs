//! The distributed installation: what four services, the queue, the databases and the sinks hold after a reading.

use std::process::Command;

use serde_json::Value;
use tests::dev::{Args, Installation};
use tests::otlp::Receiver;
use tests::process::{Ended, program};

use super::LOUDEST;
use super::scan::Canaries;

#[tokio::test(flavor = "multi_thread")]
async fn four_services_their_queue_and_their_databases_hold_no_secret() {
    // Builds all programs, if need be.
    program("collector");
    let otlp = Receiver::start().await.unwrap();
    let it = Installation::start(&Args {
        otlp: Some(otlp.endpoint.clone()),
        replicas: 1,
        tenants: 2,
        users: 60,
        seed: 6,
        unscheduled: true,
        log: Some(LOUDEST.1.to_owned()),
    })
    .unwrap();
    let mut canaries = Canaries::default();
    for file in std::fs::read_dir(it.path("secrets")).unwrap() {
        let file = file.unwrap();
        let content = std::fs::read_to_string(file.path()).unwrap();
        let name = file.file_name().to_string_lossy().into_owned();
        match name.ends_with(".keys") {
            // Names of queues and their keys, which are the long words.
            true => {
                let words = content.split_whitespace().filter(|word| word.len() > 30);
                words.for_each(|key| canaries.text(&name, key));
            }
            false => canaries.text(&name, &content),
        }
    }
    for name in [
        "token-broker",
        "collector",
        "normalizer",
        "exporter",
        "operator",
    ] {
        let key = std::fs::read_to_string(it.path(&format!("pki/{name}.key"))).unwrap();
        canaries.key(&format!("the key of the {name}"), &key);
    }
    let mut out = String::new();
    let mut run = |arguments: &[&str]| {
        let mut command: Command = program("leastwise");
        let command = command.arg("--config").arg(it.path("leastwise.toml"));
        let ended: Ended = command
            .args(arguments)
            .env(LOUDEST.0, LOUDEST.1)
            .output()
            .unwrap()
            .into();
        out += &format!("{ended:?}");
        ended
    };
    assert_eq!(run(&["sync", "-vv"]).code, Some(0));
    // A secret of before, which Entra ID refuses.
    let secret = std::fs::read_to_string(it.path("secrets/tenant-0")).unwrap();
    std::fs::write(it.path("secrets/tenant-0"), "x".to_owned() + &secret).unwrap();
    let tenants = run(&["tenants", "list", "--output", "json"]).out;
    let tenants: Value = serde_json::from_str(&tenants).unwrap();
    for tenant in tenants.as_array().unwrap() {
        let id = tenant["tenantId"].as_str().unwrap();
        run(&["tenants", "preflight", id]);
        assert_eq!(run(&["kill", id, "--reason", "x"]).code, Some(0));
    }
    assert_ne!(run(&["sync", "-vv"]).code, Some(0));

    let mut scanner = canaries.scanner();
    scanner.look("what was printed", out.as_bytes());
    let mut loud = 0;
    for replica in &it.replicas {
        loud += usize::from(replica.log().contains("\"TRACE\""));
        scanner.look(replica.service, replica.log().as_bytes());
        scanner.look("a page", replica.get("/metrics").unwrap().as_bytes());
    }
    assert_eq!(loud, it.replicas.len());
    let telemetry = otlp.seen();
    assert!(telemetry.spans.len() > 100 && !telemetry.metrics.is_empty());
    for sent in &telemetry.raw {
        scanner.look("telemetry", sent.as_bytes());
    }
    let before = scanner.bytes;
    scanner.look_below(&it.path("inventory"), &[]);
    // The simulator prints what its clients need, secrets among it.
    scanner.look_below(&it.path("run"), &[it.path("run/graph-sim")]);
    scanner.look_below(&it.path("audit"), &[]);
    // Servers have keys and passwords of their own, which are not the services'.
    scanner.look_below(it.postgres.directory(), &[]);
    scanner.look_below(it.rabbit.directory(), &[]);
    assert!(scanner.bytes > before + 1_000_000, "{}", scanner.bytes);
    assert!(scanner.found.is_empty(), "{:#?}", scanner.found);
}

//! Other people's programs: that they are there, that they read what is written, and refuse what is wrong.
#![allow(clippy::unwrap_used, reason = "the whole file is a test")]

use std::fs;
use std::path::Path;

use aws_lc_rs::hmac;
use serde_json::{Value, json};
use servers::{Moto, Pki, Prism, Python, Validity};
use sink_sim::{Credentials, ServiceNow, Sim, Tls, Transform};
use tempfile::TempDir;

/// None where it could not be installed, which has been said.
fn python() -> Option<Python> {
    Python::installed().unwrap()
}

fn run(python: &Python, script: &str, arguments: &[&str]) -> Value {
    serde_json::from_str(&python.run(script, arguments).unwrap()).unwrap()
}

fn refused(python: &Python, script: &str, arguments: &[&str]) -> String {
    python.run(script, arguments).unwrap_err().to_string()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_workbook_is_read_with_its_types_and_formulas() {
    let Some(python) = python() else { return };
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("a.xlsx");
    python
        .run("make_fixtures.py", &["xlsx", text(&file)])
        .unwrap();
    let read = run(&python, "xlsx_read.py", &[text(&file)]);
    let sheet = &read["sheets"][0];
    assert_eq!(
        (&sheet["name"], &sheet["frozen"]),
        (&json!("Position"), &json!("A2"))
    );
    let kinds = |row: usize| -> Vec<&str> {
        let cells = sheet["rows"][row].as_array().unwrap().iter();
        cells
            .map(|cell| cell["type"].as_str().unwrap_or("none"))
            .collect()
    };
    assert_eq!(kinds(1), ["text", "number", "boolean", "date", "formula"]);
    assert_eq!(kinds(2), ["text", "none", "number", "none", "none"]);
    let inert = json!({ "value": "=HYPERLINK(1)", "type": "text", "formula": false });
    assert_eq!(sheet["rows"][2][0], inert);
    assert_eq!(read["sheets"][1]["rows"], json!([]));
}

fn inventory(python: &Python) -> TempDir {
    let directory = TempDir::new().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::create_dir(at("tenant=a")).unwrap();
    python
        .run(
            "make_fixtures.py",
            &["parquet", text(&at("tenant=a/p.parquet"))],
        )
        .unwrap();
    fs::write(
        at("user.ndjson"),
        "{\"key\":\"a\",\"n\":1}\n{\"key\":\"b\",\"n\":null}\n",
    )
    .unwrap();
    fs::write(at("position.csv"), "key,n\n\"a \"\"q\"\"\nline\",1\nb,\n").unwrap();
    fs::write(at("manifest.json"), "{}").unwrap();
    directory
}

fn check_inventory(read: &Value) {
    let files = read["files"].as_object().unwrap();
    assert_eq!(files.len(), 3, "{read}");
    for reader in ["pyarrow", "duckdb"] {
        let of = |name: &str| files[name][reader].clone();
        assert_eq!(of("tenant=a/p.parquet")["rows"], 3);
        assert_eq!(
            of("user.ndjson")["data"][1],
            json!({ "key": "b", "n": null })
        );
        assert_eq!(
            of("position.csv")["data"][0],
            json!({ "key": "a \"q\"\nline", "n": 1 })
        );
    }
    let schema = &files["tenant=a/p.parquet"]["pyarrow"]["schema"];
    assert_eq!(schema["at"], "timestamp[us, tz=UTC]");
}

#[test]
fn files_are_read_by_two_readers() {
    let Some(python) = python() else { return };
    let directory = inventory(&python);
    check_inventory(&run(&python, "files_read.py", &[text(directory.path())]));
    let counts = run(
        &python,
        "files_read.py",
        &[text(directory.path()), "--no-rows"],
    );
    assert_eq!(counts["files"]["user.ndjson"]["duckdb"].get("data"), None);
    fs::write(directory.path().join("broken.parquet"), "PAR1").unwrap();
    assert!(
        refused(&python, "files_read.py", &[text(directory.path())]).contains("broken.parquet")
    );
}

#[test]
fn files_in_an_object_store_are_read_there() {
    let Some(python) = python() else { return };
    let moto = Moto::start(&python).unwrap();
    moto.bucket("inventory").unwrap();
    let directory = inventory(&python);
    let (place, endpoint) = ("s3://inventory/leastwise", moto.endpoint());
    python
        .run(
            "make_fixtures.py",
            &["upload", text(directory.path()), place, &endpoint],
        )
        .unwrap();
    let arguments = [place, "--endpoint", &endpoint];
    check_inventory(&run(&python, "files_read.py", &arguments));
    moto.reset().unwrap();
    assert!(refused(&python, "files_read.py", &arguments).contains("FileNotFoundError"));
}

#[test]
fn events_are_read_by_their_sdk_and_their_signature_checked() {
    let Some(python) = python() else { return };
    let directory = TempDir::new().unwrap();
    let secret = directory.path().join("secret");
    fs::write(&secret, "secret").unwrap();
    let event =
        json!({ "specversion": "1.0", "id": "1", "source": "/t", "type": "x", "data": { "a": 1 } });
    let body = json!([event]).to_string();
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"secret");
    let tag = hmac::sign(&key, format!("1700000000.{body}").as_bytes());
    let tag: String = tag
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let request = |content_type: &str, body: &str, tag: &str| {
        let header = format!("t=1700000000,v1={tag}");
        json!({ "headers": { "Content-Type": content_type, "Leastwise-Signature": header }, "body": body })
    };
    let read = |requests: Value| -> anyhow::Result<Value> {
        let mut script = python.script("cloudevents_read.py");
        let printed =
            servers::run_text(script.arg("--secret").arg(&secret), &requests.to_string())?;
        Ok(serde_json::from_str(&printed)?)
    };
    let (one, batch) = (
        "application/cloudevents+json",
        "application/cloudevents-batch+json",
    );
    let printed = read(json!([
        request(batch, &body, &tag),
        request(one, &event.to_string(), &tag)
    ]));
    let printed = printed.unwrap();
    assert_eq!(
        (&printed[0]["mode"], &printed[0]["signed"]),
        (&json!("batch"), &json!(true))
    );
    assert_eq!(
        (&printed[1]["mode"], &printed[1]["signed"]),
        (&json!("structured"), &json!(false))
    );
    assert_eq!(printed[0]["events"][0]["data"], json!({ "a": 1 }));
    assert_eq!(printed[0]["events"][0]["attributes"]["id"], "1");
    let nameless = "{\"specversion\":\"1.0\",\"source\":\"/t\",\"type\":\"x\"}";
    for (content_type, body) in [
        (one, nameless),
        (one, body.as_str()),
        ("application/json", "{}"),
    ] {
        assert!(
            read(json!([request(content_type, body, &tag)])).is_err(),
            "{body}"
        );
    }
}

const LICENSES: &str = "ExternalLicenseID,LicenseName,PartNo,EntitlementCount,ExpiryDate,IsSubscription,SoftwareLicenseTypeID";
const USERS: &str = "ExternalID,SAMAccountName,Domain,Email,EmployeeNumber,FirstName,LastName,InventoryAgent,CostCenter,IsBlacklisted";
const ALLOCATIONS: &str = "ExternalLicenseID,ExternalUserID";

/// A package of three files, each a header and lines.
fn package(directory: &Path, licenses: &[&str], users: &[&str], allocations: &[&str]) {
    let files = [
        ("SoftwareLicense.csv", LICENSES, licenses),
        ("User.csv", USERS, users),
        ("SoftwareLicenseAllocation.csv", ALLOCATIONS, allocations),
    ];
    for (name, header, lines) in files {
        let lines = [&[header], lines].concat().join("\r\n");
        fs::write(directory.join(name), lines + "\r\n").unwrap();
    }
}

#[test]
fn a_flexnet_package_is_merged_by_key() {
    let Some(python) = python() else { return };
    let directory = TempDir::new().unwrap();
    let at = text(directory.path());
    let database = directory.path().join("tables.sqlite");
    let load = || {
        run(
            &python,
            "flexnet_loader.py",
            &[at, "--database", text(&database)],
        )
    };
    package(
        directory.path(),
        &["9007199254740993,\"E5, \"\"all\"\"\",SPE_E5,5,2026-12-31,1,2"],
        &[
            "1,ada,CONTOSO,ada@x,7,Ada,Lo,Leastwise,,0",
            "2,bob,CONTOSO,bob@x,,Bob,,,,",
        ],
        &["9007199254740993,1", "9007199254740993,2"],
    );
    let first = load();
    let license = &first["SoftwareLicense"][0];
    assert_eq!(license["ExternalLicenseID"], 9_007_199_254_740_993_i64);
    assert_eq!(license["LicenseName"], "E5, \"all\"");
    assert_eq!(
        (&license["EntitlementCount"], &license["IsSubscription"]),
        (&json!(5), &json!(1))
    );
    let bob = &first["User"][1];
    assert_eq!(
        (&bob["CostCenter"], &bob["IsBlacklisted"]),
        (&Value::Null, &json!(0))
    );
    assert_eq!(load(), first, "twice is once");

    package(
        directory.path(),
        &["9007199254740993,E5,SPE_E5,6,,1,2"],
        &["1,ada,CONTOSO,renamed@x,7,Ada,Lo,Leastwise,,0"],
        &["9007199254740993,1"],
    );
    let second = load();
    assert_eq!(second["User"].as_array().unwrap().len(), 2);
    assert_eq!(second["User"][0]["Email"], "renamed@x");
    assert_eq!(second["User"][1], *bob);
    assert_eq!(second["absent"]["User"], json!([[2]]));
    assert_eq!(
        second["absent"]["SoftwareLicenseAllocation"],
        json!([[9_007_199_254_740_993_i64, 2]])
    );
}

#[test]
fn a_flexnet_package_with_a_fault_is_refused_as_a_whole() {
    let Some(python) = python() else { return };
    let long = "x".repeat(65);
    let long = format!("1,{long},,,,,,,,");
    // 33 characters that take two places each.
    let wide = format!("1,{},,,,,,,,", "\u{1f600}".repeat(33));
    type Case<'a> = (&'a [&'a str], &'a [&'a str], &'a [&'a str], &'a str);
    let cases: [Case<'_>; 13] = [
        (&[",E5,,,,,"], &[], &[], "ExternalLicenseID: a key is null"),
        (
            &["1,E5,,,,,", "1,E3,,,,,"],
            &[],
            &[],
            "line 3: the key 1 is there twice",
        ),
        (&["x,E5,,,,,"], &[], &[], "is no whole number"),
        (
            &["9223372036854775808,E5,,,,,"],
            &[],
            &[],
            "does not fit 64 bits",
        ),
        (&["1,E5,,2147483648,,,"], &[], &[], "does not fit 32 bits"),
        (&["1,E5,,,31.12.2026,,"], &[], &[], "is no date"),
        (&["1,E5,,,2026-13-01,,"], &[], &[], "is no date"),
        (&["1,E5,,,,yes,"], &[], &[], "is no bit"),
        (&["1,E5"], &[], &[], "has not as many fields"),
        (&[], &[&long], &[], "has 65 characters, 64 fit"),
        (&[], &[&wide], &[], "has 66 characters, 64 fit"),
        (
            &["1,E5,,,,,"],
            &["1,a,,,,,,,,"],
            &["1,1", "1,1"],
            "the key 1, 1 is there twice",
        ),
        (&["1,E5,,,,,"], &[], &["1,1"], "no User has this key"),
    ];
    for (licenses, users, allocations, says) in cases {
        let directory = TempDir::new().unwrap();
        package(directory.path(), licenses, users, allocations);
        let said = refused(&python, "flexnet_loader.py", &[text(directory.path())]);
        assert!(said.contains(says), "{says}: {said}");
    }
    let directory = TempDir::new().unwrap();
    let load = || refused(&python, "flexnet_loader.py", &[text(directory.path())]);
    assert!(load().contains("User.csv: is missing"));
    package(directory.path(), &[], &[], &[]);
    fs::write(
        directory.path().join("User.csv"),
        "ExternalID,Nonsense,Nonsense\n",
    )
    .unwrap();
    assert!(load().contains("unknown, twice or missing: Nonsense"));
    fs::write(
        directory.path().join("User.csv"),
        b"ExternalID,Email\n1,\xff\n",
    )
    .unwrap();
    assert!(load().contains("is no UTF-8"));
}

#[tokio::test]
async fn an_independent_client_reads_servicenow() {
    let Some(python) = python() else { return };
    let directory = TempDir::new().unwrap();
    let pki = Pki::new(directory.path()).unwrap();
    let files = pki
        .issue("instance", None, &["localhost"], Validity::Good)
        .unwrap();
    let transform = Transform {
        staging: "u_staging".to_owned(),
        columns: vec![
            ("u_external_key".to_owned(), 255),
            ("u_closing".to_owned(), 40),
        ],
        target: "u_target".to_owned(),
        coalesce: "u_external_key".to_owned(),
        closing: None,
        synchronous: true,
    };
    let tls = Tls {
        certificate: files.certificate,
        key: files.key,
    };
    let instance = ServiceNow::new(Credentials::new("app", "secret"), transform);
    let sim = Sim::start_tls(instance, &tls).unwrap();
    sim.change(|now| {
        for n in 0..25 {
            now.put(
                "u_target",
                &[("u_external_key", &format!("{n:02}")), ("u_closing", "1")],
            );
        }
    });
    let url = sim.url().replace("127.0.0.1", "localhost");
    let read = |secret: &str, more: &[&str]| {
        let mut script = python.script("servicenow_read.py");
        script
            .args([&url, "u_target"])
            .args(more)
            .arg("--ca")
            .arg(&files.ca);
        script.env("CLIENT_ID", "app").env("CLIENT_SECRET", secret);
        servers::run_text(&mut script, "")
    };
    let rows: Vec<Value> =
        serde_json::from_str(&read("secret", &["--batch", "10"]).unwrap()).unwrap();
    let mut keys: Vec<&str> = rows
        .iter()
        .map(|row| row["u_external_key"].as_str().unwrap())
        .collect();
    keys.sort_unstable();
    let wanted: Vec<String> = (0..25).map(|n| format!("{n:02}")).collect();
    assert_eq!(keys, wanted);
    let some = read(
        "secret",
        &["u_external_keySTARTSWITH1^ORDERBYDESCu_external_key"],
    )
    .unwrap();
    let some: Vec<Value> = serde_json::from_str(&some).unwrap();
    assert_eq!((some.len(), &some[0]["u_external_key"]), (10, &json!("19")));
    assert!(
        read("wrong", &[])
            .unwrap_err()
            .to_string()
            .contains("access_denied")
    );
}

#[tokio::test]
async fn prism_takes_what_the_vendors_documents_allow_and_nothing_else() {
    let Some(flexera) = Prism::flexera_one().unwrap() else {
        return;
    };
    let Some(snow) = Prism::snow_atlas().unwrap() else {
        return;
    };
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let post = async |url: String, body: Value| {
        let request = http.post(url).header("authorization", "Bearer x");
        let request = request.header("content-type", "application/json");
        request.body(body.to_string()).send().await.unwrap()
    };
    let org = format!("{}/saas/v1/orgs/100", flexera.url());
    let created = post(format!("{org}/saas-data"), json!({ "fileName": "a.gz" })).await;
    assert_eq!(created.status(), 201);
    assert!(created.headers().contains_key("location"));
    let job = |task: &str| {
        json!({
            "managedAppId": "123",
            "saasDataList": [{ "name": "a.gz" }],
            "importSettings": { "taskName": task, "loadType": "full" },
        })
    };
    let jobs = format!("{org}/import-jobs");
    assert_eq!(
        post(jobs.clone(), job("ApplicationRoster")).await.status(),
        201
    );
    assert_eq!(post(jobs, job("Roster")).await.status(), 422);
    assert!(
        flexera.last_words().contains("taskName"),
        "{}",
        flexera.last_words()
    );

    let licenses = format!("{}/api/sam/v1/licenses", snow.url());
    assert_eq!(
        post(
            licenses.clone(),
            json!({ "externalId": "a", "quantity": 5 })
        )
        .await
        .status(),
        201
    );
    for wrong in [
        json!({ "externalId": "a", "unknown": 5 }),
        json!({ "quantity": "many" }),
        json!([]),
    ] {
        let answer = post(licenses.clone(), wrong).await;
        assert_eq!(answer.status(), 400, "{}", snow.last_words());
    }
}

//! A key in a device (PKCS#11) proves an app to an Entra ID that checks it, and what is wrong with one is said.
#![allow(clippy::unwrap_used, reason = "the whole file is a test")]

use std::path::PathBuf;
use std::process::Command;

use graph_sim::{Config, Sim};
use proto::token::v1::GetTokenRequest;
use proto::token::v1::token_service_client::TokenServiceClient;
use runtime::Clock;
use serde_json::Value;
use servers::SoftHsm;
use tests::network::{BASE, Network};
use token_broker::audit::{self, Audit};
use token_broker::{Broker, Deps};

/// Where a test's files are, in the process that it starts.
const HOME: &str = "LEASTWISE_TEST_DEVICE";
const TOKEN: &str = "leastwise";
const PIN: &str = "4711-right";
const WRONG: &str = "0815-wrong";

/// A simulated tenant, and a device that holds its application's key and another one.
struct World {
    home: PathBuf,
    sim: Sim,
    network: Network,
}

impl World {
    /// SoftHSM reads from the environment where its tokens are, and that is read by all threads of a process. So what
    /// uses it is this program once more, with this test alone, and this returns nothing when that has passed.
    fn new(test: &str) -> Option<Self> {
        let sim = Sim::new(Config {
            users: 10,
            base: Some(BASE.to_owned()),
            strict_assertions: true,
            ..Config::default()
        });
        if let Some(home) = std::env::var_os(HOME) {
            return Some(World {
                home: home.into(),
                network: Network::new(sim.clone()),
                sim,
            });
        }
        let home = tempfile::tempdir().unwrap();
        let write = |name: &str, content: &str| {
            let path = home.path().join(name);
            std::fs::write(&path, content).unwrap();
            path
        };
        let (certificate, key) = parts(sim.tenants()[0].certificate);
        let own = write("own.key", key);
        write("app.crt", certificate);
        write("pin", &format!("{PIN}\n"));
        let hsm = SoftHsm::new(home.path()).unwrap();
        hsm.token(TOKEN, PIN).unwrap();
        hsm.import(TOKEN, PIN, &own, "app", "0a01").unwrap();
        // The device alone has it from now on.
        std::fs::remove_file(own).unwrap();
        let (_, key) = parts(include_str!("../graph-sim/data/keys/issuer-1.pem"));
        let another = write("another.key", key);
        hsm.import(TOKEN, PIN, &another, "another", "0a02").unwrap();
        let passed = Command::new(std::env::current_exe().unwrap())
            .args([&format!("device::{test}"), "--exact", "--nocapture"])
            .env("SOFTHSM2_CONF", hsm.config())
            .env(HOME, home.path())
            .status()
            .unwrap();
        assert!(passed.success(), "see above");
        None
    }

    fn file(&self, name: &str, content: &str) {
        std::fs::write(self.home.join(name), content).unwrap();
    }

    fn config(&self, credential: &str) -> token_broker::Config {
        let tenant = &self.sim.tenants()[0];
        let text = format!(
            "[[tenants]]\nid = '{}'\nauthority = '{BASE}'\ngraph = '{BASE}'\nclient_id = '{}'\n\
             [[tenants.credentials]]\nkind = 'pkcs11'\ncertificate_file = 'app.crt'\n{credential}",
            tenant.id, tenant.client_id
        );
        let mut config: token_broker::Config =
            runtime::config::parse(&text, "test", std::collections::HashMap::new()).unwrap();
        config.resolve(&self.home);
        config
    }

    /// What a new broker answers with this credential: the token's claims, or the message.
    async fn with(&self, credential: &str) -> Result<Value, String> {
        let clock = Clock::system();
        let notes = tempfile::tempdir_in(&self.home).unwrap().keep();
        let deps = Deps {
            http: self.network.client(),
            direct: self.network.client(),
            policy_file: None,
            store: None,
            events: token_broker::event::Events::logged(clock.clone()),
            audit: Audit::open(&audit::Config::at(notes), clock.clone()).unwrap(),
            clock,
        };
        let broker = Broker::new(self.config(credential), deps).unwrap();
        let mut client = TokenServiceClient::new(runtime::grpc::local(broker.tokens()));
        let request = GetTokenRequest {
            tenant_id: self.sim.tenants()[0].id.clone(),
            dataset: "users".to_owned(),
            ..Default::default()
        };
        let answer = client.get_token(request).await;
        let answer = answer.map_err(|e| e.message().to_owned())?;
        Ok(claims(&answer.into_inner().access_token))
    }

    /// That it gets no token, and the message.
    async fn refused(&self, credential: &str, told: &[&str]) -> String {
        let message = self.with(credential).await.unwrap_err();
        for part in told {
            assert!(message.contains(part), "{message}\nlacks {part}");
        }
        assert!(!message.contains(PIN) && !message.contains(WRONG));
        message
    }
}

/// A certificate, and its key.
fn parts(pem: &str) -> (&str, &str) {
    pem.split_at(pem.find("-----BEGIN PRIVATE KEY").unwrap())
}

fn now() -> u64 {
    Clock::system().micros() / 1_000_000
}

fn claims(token: &str) -> Value {
    use base64::Engine as _;
    let part = token.split('.').nth(1).unwrap();
    let json = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(part)
        .unwrap();
    serde_json::from_slice(&json).unwrap()
}

/// A credential of the device: what `rest` says.
fn key(rest: &str) -> String {
    let module = SoftHsm::module().unwrap();
    format!("module = '{}'\npin_file = 'pin'\n{rest}", module.display())
}

/// One by its token's and its key's label.
fn named(token: &str, label: &str) -> String {
    key(&format!("token = '{token}'\nkey = '{label}'"))
}

#[tokio::test]
async fn a_key_in_a_device_gets_a_token() {
    let Some(world) = World::new("a_key_in_a_device_gets_a_token") else {
        return;
    };
    let good = named(TOKEN, "app");
    world.config(&good).check_credentials(now()).unwrap();
    // Twice, because an assertion is good for one request.
    for _ in 0..2 {
        assert_eq!(world.with(&good).await.unwrap()["appidacr"], "2");
    }
    let legacy = format!("{good}\nalgorithm = 'RS256'");
    world.with(&legacy).await.unwrap();
    let by_id = key(&format!("token = '{TOKEN}'\nkey_id = '0A01'"));
    world.with(&by_id).await.unwrap();
    let slot = |number: &str| key(&format!("slot = {number}\nkey = 'app'"));
    let told = ["LW-2038", "no token in slot 77"];
    let told = world.refused(&slot("77"), &told).await;
    // The message says which one it is: the system gives it a number.
    let number = told.split("`leastwise` in slot ").nth(1).unwrap();
    let number = number.split(|c: char| !c.is_ascii_digit()).next().unwrap();
    world.with(&slot(number)).await.unwrap();

    // Many at the same time wait for the one device.
    let many = (0..20).map(|_| world.with(&good));
    for token in futures::future::join_all(many).await {
        token.unwrap();
    }
}

/// The PIN comes from a pipe that this thread writes to: were the device asked on it, nobody ever would.
#[tokio::test]
async fn a_slow_device_keeps_nobody_waiting_but_who_needs_it() {
    let Some(world) = World::new("a_slow_device_keeps_nobody_waiting_but_who_needs_it") else {
        return;
    };
    let pipe = world.home.join("pin");
    std::fs::remove_file(&pipe).unwrap();
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let good = named(TOKEN, "app");
    let (token, written) = tokio::join!(world.with(&good), tokio::fs::write(&pipe, PIN));
    written.unwrap();
    token.unwrap();
}

#[tokio::test]
async fn what_is_wrong_with_a_device_is_said_and_a_wrong_pin_is_shown_once() {
    let test = "what_is_wrong_with_a_device_is_said_and_a_wrong_pin_is_shown_once";
    let Some(world) = World::new(test) else {
        return;
    };
    let good = named(TOKEN, "app");
    let none = good.replace("libsofthsm2.so", "none.so");
    world
        .refused(&none, &["LW-2038", "none.so", "can't be loaded"])
        .await;
    let other = named("other", "app");
    let told = ["LW-2038", "no token `other`", "`leastwise` in slot"];
    world.refused(&other, &told).await;
    let other = named(TOKEN, "other");
    let told = ["LW-2038", "no private key `other`", "token `leastwise`"];
    world.refused(&other, &told).await;
    let another = named(TOKEN, "another");
    let told = [
        "LW-2015",
        "app.crt",
        "does not belong to the private key `another`",
    ];
    world.refused(&another, &told).await;
    let e = world.config(&another).check_credentials(now());
    assert_eq!(e.unwrap_err().code, "LW-2015");
    let expired = world.config(&good).check_credentials(9_000_000_000);
    assert_eq!(expired.unwrap_err().code, "LW-2016");
    assert_eq!(world.network.requests(), 0, "Entra ID was asked");

    world.file("pin", WRONG);
    let pin = world.home.join("pin").display().to_string();
    let told = ["LW-2039", "refuses the PIN", &pin, "token `leastwise`"];
    world.refused(&good, &told).await;
    let told = ["LW-2039", "has refused the PIN", &pin, "not asked again"];
    for credential in [&good, &format!("{good}\nalgorithm = 'RS256'"), &another] {
        world.refused(credential, &told).await;
    }
    world.file("pin", PIN);
    world.with(&good).await.unwrap();
    std::fs::remove_file(world.home.join("pin")).unwrap();
    world.refused(&good, &["LW-2013", &pin]).await;
}

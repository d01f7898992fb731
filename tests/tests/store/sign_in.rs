//! A person signs in with a code: through the service that operators use, while time runs as the token-broker waits.

use std::time::Duration;

use proto::admin::v1::token_broker_admin_client::TokenBrokerAdminClient;
use proto::admin::v1::{PreflightReport, SignInProgress, SignInPrompt, SignInRequest};
use runtime::grpc;
use serde_json::{Value, json};
use tests::network::BASE;
use tonic::{Code, Status, Streaming};

use super::world::{Life, World};

const UNTIL: &str = "2999-12-31";

/// Global Administrator, and Reports Reader.
const ADMINISTRATOR: &str = "62e90394-69f5-4237-9190-012177145e10";
const REPORTS: &str = "4a5d8f65-41da-4de4-8968-e035b65339cf";

struct Waiting {
    prompt: SignInPrompt,
    progress: Streaming<SignInProgress>,
}

impl World {
    /// What the simulator's time is, too.
    fn follow(&self) {
        self.network.follow(self.clock.clone(), self.clock.micros());
    }

    fn without_credential(&self, client: &str) -> String {
        let id = &self.sim.tenants()[0].id;
        format!("id = '{id}'\nauthority = '{BASE}'\ngraph = '{BASE}'\nclient_id = '{client}'\n")
    }

    /// The object id of who signs in.
    async fn person(&self, client: &str) -> String {
        use base64::Engine as _;
        let token = self.sign_in(client).await["access_token"].clone();
        let claims = token.as_str().unwrap().split('.').nth(1).unwrap();
        let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(claims);
        let claims: Value = serde_json::from_slice(&claims.unwrap()).unwrap();
        claims["oid"].as_str().unwrap().to_owned()
    }

    /// What the person does; then time runs until the token-broker has seen it.
    async fn decide(
        &self,
        mut waiting: Waiting,
        approve: Option<bool>,
    ) -> Result<PreflightReport, Status> {
        if let Some(approve) = approve {
            let code = &waiting.prompt.user_code;
            self.control("device", json!({"userCode": code, "approve": approve}))
                .await;
        }
        let done = waiting.progress.message();
        tokio::pin!(done);
        loop {
            tokio::select! {
                biased;
                step = &mut done => return Ok(step?.unwrap().report.unwrap()),
                () = tokio::task::yield_now() => self.clock.advance(Duration::from_secs(1)),
            }
        }
    }
}

impl Life {
    async fn begin(&self, request: SignInRequest) -> Result<Waiting, Status> {
        let channel = grpc::with_reason(grpc::local(self.broker.admin()), "consent comes in May");
        let mut admin = TokenBrokerAdminClient::new(channel);
        let mut progress = admin.sign_in(request).await?.into_inner();
        let prompt = progress.message().await?.unwrap().prompt.unwrap();
        Ok(Waiting { prompt, progress })
    }
}

fn of(tenant_id: &str, section: &str) -> SignInRequest {
    SignInRequest {
        tenant_id: tenant_id.to_owned(),
        app: String::new(),
        section: section.to_owned(),
        until: UNTIL.to_owned(),
    }
}

/// Whether a refresh token or an access token of the simulator is in a text.
fn has_a_token(text: &str) -> bool {
    let long = |rest: &str| {
        let plain = |c: &char| c.is_ascii_alphanumeric() || "-_.".contains(*c);
        rest.chars().take_while(plain).count() > 100
    };
    ["1.A", "eyJ"]
        .iter()
        .any(|start| text.match_indices(start).any(|(at, _)| long(&text[at..])))
}

#[tokio::test]
async fn a_person_signs_in_with_a_code_and_the_refresh_token_is_sealed_and_never_shown() {
    let world = World::new();
    world.follow();
    let client = world.public_app().await;
    let mut life = world.start(&[]).await.unwrap();
    let section = world.without_credential(&client);
    let waiting = life.begin(of("", &section)).await.unwrap();
    let prompt = &waiting.prompt;
    assert_eq!(prompt.verification_uri, format!("{BASE}/_device"));
    assert_eq!(
        (prompt.user_code.len(), prompt.expires_in_seconds),
        (9, 900)
    );
    assert!(
        life.status().await.tenants.is_empty(),
        "nothing is kept yet"
    );
    let report = world.decide(waiting, Some(true)).await.unwrap();
    let report = &report.apps[0];
    assert_eq!(report.credential, "0 refresh_token");
    assert!(
        report.granted.contains(&"User.Read.All".to_owned()),
        "{report:?}"
    );
    life.token().await.unwrap();
    let credential = life.status().await.tenants[0].apps[0].credentials[0].clone();
    assert!(credential.legacy && credential.ends_at > 0);
    drop(life);
    let mut life = world.start(&[]).await.unwrap();
    life.token().await.unwrap();
    let written = world.written();
    for told in [
        "let a person sign in for app `default`, until 2999-12-31: consent comes in May",
        "signed in, until 2999-12-31: consent comes in May",
    ] {
        assert!(written.contains(told), "{told} is in no audit log");
    }
    let shown = world.sim.now().as_secs() > 0 && has_a_token(&format!("1.A{}", "x".repeat(120)));
    assert!(shown && !has_a_token(&written), "a token is in a file");
}

#[tokio::test]
async fn who_declines_is_late_or_may_too_much_leaves_nothing() {
    let world = World::new();
    world.follow();
    let client = world.public_app().await;
    let mut life = world.start(&[]).await.unwrap();
    let request = of("", &world.without_credential(&client));
    for (approve, told) in [(Some(false), "declined"), (None, "nobody entered the code")] {
        let waiting = life.begin(request.clone()).await.unwrap();
        let e = world.decide(waiting, approve).await.unwrap_err();
        assert!(
            e.code() == Code::FailedPrecondition
                && e.message().starts_with("LW-2066")
                && e.message().contains(told),
            "{e}"
        );
    }
    world
        .control("directory-roles", json!([ADMINISTRATOR]))
        .await;
    let waiting = life.begin(request.clone()).await.unwrap();
    let e = world.decide(waiting, Some(true)).await.unwrap_err();
    assert!(
        e.message().starts_with("LW-2030") && e.message().contains(ADMINISTRATOR),
        "{e}"
    );
    assert!(life.status().await.tenants.is_empty());
    assert!(world.written().contains("nobody signed in (LW-2030)"));
    world.control("directory-roles", json!([REPORTS])).await;
    let waiting = life.begin(request).await.unwrap();
    world.decide(waiting, Some(true)).await.unwrap();
}

#[tokio::test]
async fn a_sign_in_that_is_no_longer_valid_is_replaced_by_the_next() {
    let world = World::new();
    world.follow();
    let client = world.public_app().await;
    let life = world.start(&[]).await.unwrap();
    let waiting = life.begin(of("", &world.without_credential(&client))).await;
    world.decide(waiting.unwrap(), Some(true)).await.unwrap();
    let person = world.person(&client).await;
    world
        .control(&format!("revoke?user={person}"), json!({}))
        .await;
    drop(life);
    let mut life = world.start(&[]).await.unwrap();
    let e = life.token().await.unwrap_err();
    assert!(e.message().contains("LW-2028"), "{e}");
    let until = "2998-12-31".to_owned();
    let request = SignInRequest {
        until,
        ..of(&life.id, "")
    };
    let waiting = life.begin(request).await.unwrap();
    world.decide(waiting, Some(true)).await.unwrap();
    life.token().await.unwrap();
    assert_eq!(life.kinds().await, ["refresh_token"]);
}

#[tokio::test]
async fn what_can_be_no_sign_in_is_said_before_anybody_is_asked() {
    let world = World::new();
    world.follow();
    let client = world.public_app().await;
    let mut life = world.start(&[]).await.unwrap();
    let main = world.sim.tenants()[0].client_id.clone();
    let section = world.without_credential(&client);
    let requests = world.network.requests();
    let id = life.id.clone();
    let day = |until: &str| SignInRequest {
        until: until.to_owned(),
        ..of("", &section)
    };
    for (request, told) in [
        (of("", ""), "name a tenant"),
        (of(&id, &section), "name a tenant"),
        (of(&id, ""), "LW-2011"),
        (of("", "id = 5"), "LW-1003"),
        (day("next year"), "2027-03-31"),
        (day("2020-12-31"), "until 2020-12-31 only"),
    ] {
        let e = life.begin(request).await.err().unwrap();
        assert!(e.message().contains(told), "{told}: {e}");
    }
    assert_eq!(world.network.requests(), requests);
    // An app that is no public client says so once the person is done.
    let confidential = of("", &world.without_credential(&main));
    let waiting = life.begin(confidential).await.unwrap();
    let e = world.decide(waiting, Some(true)).await.unwrap_err();
    assert!(
        e.message().contains("LW-2027") && e.message().contains("public client"),
        "{e}"
    );
    let (section, files) = world.secret();
    life.put(section.clone(), files).await.unwrap();
    let e = life.begin(of("", &section)).await.err().unwrap();
    assert!(e.message().contains("in the store already"), "{e}");
    let other = SignInRequest {
        app: "core".to_owned(),
        ..of(&id, "")
    };
    let e = life.begin(other).await.err().unwrap();
    assert!(e.message().contains("no app `core`"), "{e}");
}

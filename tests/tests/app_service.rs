//! A managed identity where App Service runs the token-broker: the platform's endpoint and its header come by the
//! environment, and no secret is configured.
#![allow(clippy::unwrap_used, reason = "the whole file is a test")]

use std::path::Path;

use proto::token::v1::GetTokenRequest;
use serde_json::Value;
use tests::broker::TokenBroker;
use tests::process::Simulator;
use tonic::Status;

/// Variables and their values.
type Environment<'a> = &'a [(&'a str, &'a str)];

/// What a token-broker answers that has these credentials and was started with this environment.
async fn asked(
    sim: &Simulator,
    client_id: &str,
    credential: &str,
    environment: Environment<'_>,
) -> Result<Value, Status> {
    let section = TokenBroker::section(sim).replace(sim.text("clientId"), client_id);
    let mut broker = TokenBroker::new(&format!(
        "[[tenants]]\n{section}[[tenants.credentials]]\n{credential}source = 'app_service'\n"
    ));
    let environment: Vec<_> = environment
        .iter()
        .map(|(k, v)| (*k, Path::new(*v)))
        .collect();
    broker.start(&environment);
    let request = GetTokenRequest {
        tenant_id: sim.text("id").to_owned(),
        dataset: "users".to_owned(),
        ..GetTokenRequest::default()
    };
    let answer = broker.tokens("collector").get_token(request).await;
    if let Some((_, header)) = environment.get(1) {
        let header = header.to_str().unwrap();
        assert!(!broker.log().contains(header), "the header is in the log");
        assert!(!format!("{answer:?}").contains(header));
    }
    let token = answer?.into_inner().access_token;
    use base64::Engine as _;
    let claims = token.split('.').nth(1).unwrap();
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(claims);
    Ok(serde_json::from_slice(&claims.unwrap()).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_of_app_service_needs_no_secret() {
    let sim = Simulator::start(5, 1);
    let entra: Value = serde_json::from_str(&sim.control("GET", "entra?tenant=0", "")).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let (endpoint, header) = (
        text(&entra["identityEndpoint"]),
        text(&entra["identityHeader"]),
    );
    let identity = text(&entra["managedIdentities"][0]["clientId"]);
    let of_machine = text(&entra["managedIdentities"][1]["clientId"]);
    let right = [
        ("IDENTITY_ENDPOINT", endpoint.as_str()),
        ("IDENTITY_HEADER", header.as_str()),
    ];
    let assigned = format!("kind = 'managed_identity'\nidentity_client_id = '{identity}'\n");
    let claims = asked(&sim, &identity, &assigned, &right).await.unwrap();
    assert_eq!(claims["appid"], identity);
    // The app's own, which is named by nobody.
    let own = "kind = 'managed_identity'\n";
    let claims = asked(&sim, &of_machine, own, &right).await.unwrap();
    assert_eq!(claims["appid"], of_machine);
    // Trusted by the application in place of a secret.
    let trusted =
        format!("kind = 'federated_managed_identity'\nidentity_client_id = '{identity}'\n");
    let claims = asked(&sim, sim.text("clientId"), &trusted, &right)
        .await
        .unwrap();
    assert_eq!(claims["appid"], sim.text("clientId"));
    assert_eq!(claims["appidacr"], "2");

    let unknown = "kind = 'managed_identity'\nidentity_client_id = 'x'\n";
    let wrong = [right[0], ("IDENTITY_HEADER", "a header of another process")];
    let cases: [(&str, Environment<'_>, &[&str]); 3] = [
        (unknown, &right, &["LW-2017", "400", "identity_client_id"]),
        (&assigned, &wrong, &["LW-2017", "401", "may reach"]),
        (
            &assigned,
            &[],
            &["LW-2017", "IDENTITY_ENDPOINT is not set", "imds"],
        ),
    ];
    for (credential, environment, told) in cases {
        let e = asked(&sim, &identity, credential, environment)
            .await
            .unwrap_err();
        for part in told {
            assert!(e.message().contains(part), "{e}\nlacks {part}");
        }
    }
}

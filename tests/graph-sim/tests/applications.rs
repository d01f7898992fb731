//! Applications and service principals: what a client reads of its own credentials and permissions.
#![allow(missing_docs, clippy::unwrap_used)]

use crate::support;

use graph_sim::{Config, Consent, Principal, Sim};
use serde_json::{Value, json};
use support::Client;

async fn client(roles: &[&str]) -> Client {
    let sim = Sim::new(Config {
        roles: roles.iter().map(|r| (*r).to_owned()).collect(),
        ..Config::default()
    });
    Client::of(&sim, 0).await
}

fn names(objects: &[Value]) -> Vec<&str> {
    objects
        .iter()
        .filter_map(|o| o["displayName"].as_str())
        .collect()
}

#[tokio::test]
async fn applications_show_when_credentials_end() {
    let client = client(&["User.Read.All", "Application.Read.All"]).await;
    let (all, _) = client.pages("/applications?$top=2").await;
    assert_eq!(all.len(), 5);
    let info = client.sim.tenants()[0].clone();
    let path = format!("/applications(appId='{}')", info.client_id);
    let own = client.get(&path).await.json();
    assert_eq!(
        (&own["id"], &own["appId"]),
        (&all[0]["id"], &json!(info.client_id))
    );
    let secrets = own["passwordCredentials"].as_array().unwrap();
    assert_eq!(secrets[0]["hint"], info.client_secret[..3]);
    assert!(secrets[0]["secretText"].is_null());
    assert_eq!(secrets[0]["endDateTime"], "2299-12-31T00:00:00Z");
    let key = &own["keyCredentials"][0];
    assert_eq!(
        (&key["type"], &key["usage"], &key["key"]),
        (&json!("AsymmetricX509Cert"), &json!("Verify"), &Value::Null)
    );
    assert_eq!(key["customKeyIdentifier"].as_str().unwrap().len(), 28);
    // The bytes come when they are selected, of one.
    let selected = client
        .get(&format!("{path}?$select=id,keyCredentials"))
        .await
        .json();
    assert!(
        info.certificate
            .replace('\n', "")
            .contains(selected["keyCredentials"][0]["key"].as_str().unwrap())
    );
    // One that nobody renewed, and one that is being renewed.
    let ends = |app: usize, of: &str| {
        let list = all[app][of].as_array().unwrap().iter();
        list.map(|c| c["endDateTime"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(ends(2, "keyCredentials"), ["2024-01-01T00:00:00Z"]);
    let secrets = ends(2, "passwordCredentials");
    assert!(secrets.len() == 2 && secrets[1] < secrets[0]);
    assert_eq!(
        (
            ends(3, "passwordCredentials").len(),
            ends(3, "keyCredentials").len()
        ),
        (2, 2)
    );
    assert_eq!(all[4]["isFallbackPublicClient"], true);
    let filter = format!("/applications?$filter=appId%20eq%20'{}'", info.client_id);
    assert_eq!(client.pages(&filter).await.0.len(), 1);
    let (trusts, _) = client
        .pages(&format!("{path}/federatedIdentityCredentials"))
        .await;
    assert_eq!(
        trusts[0]["audiences"],
        json!(["api://AzureADTokenExchange"])
    );
    assert_eq!(
        client
            .get("/applications/11111111-2222-4333-8444-555555555555")
            .await
            .status,
        404
    );
    assert_eq!(
        client.get("/applications?$select=secretText").await.status,
        400
    );
}

#[tokio::test]
async fn service_principals_show_what_was_granted() {
    let client = client(&["User.Read.All", "Application.Read.All"]).await;
    let (all, _) = client.pages("/servicePrincipals").await;
    assert_eq!(all.len(), 8);
    assert!(names(&all).contains(&"Microsoft Graph"));
    let graph = client
        .get("/servicePrincipals(appId='00000003-0000-0000-c000-000000000000')")
        .await
        .json();
    let name_of = |id: &Value| {
        let roles = graph["appRoles"].as_array().unwrap().iter();
        roles
            .clone()
            .find(|r| r["id"] == *id)
            .map(|r| r["value"].as_str().unwrap().to_owned())
    };
    let granted = async |app: usize| {
        let client_id = all[app]["appId"].as_str().unwrap();
        let path = format!("/servicePrincipals(appId='{client_id}')/appRoleAssignments");
        let (list, _) = client.pages(&path).await;
        assert!(
            list.iter()
                .all(|a| a["resourceId"] == graph["id"] && a["principalId"] == all[app]["id"])
        );
        list.iter()
            .map(|a| name_of(&a["appRoleId"]).unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(granted(0).await, ["User.Read.All", "Application.Read.All"]);
    assert_eq!(granted(1).await, ["User.Read.All"]);
    assert!(granted(4).await.is_empty());
    let to = format!(
        "/servicePrincipals/{}/appRoleAssignedTo?$top=2",
        graph["id"].as_str().unwrap()
    );
    // Four applications, of which one has a single permission, and two managed identities.
    assert_eq!(client.pages(&to).await.0.len(), 2 + 1 + 2 + 2 + 2 + 2);
    // Permissions that go, and a service principal that is switched off or deleted.
    let change = |change| client.sim.consent(0, 1, change);
    change(Consent {
        granted: Some(false),
        ..Consent::default()
    });
    assert!(granted(1).await.is_empty());
    change(Consent {
        principal: Some(Principal::Disabled),
        ..Consent::default()
    });
    let path = format!("/servicePrincipals/{}", all[1]["id"].as_str().unwrap());
    assert_eq!(client.get(&path).await.json()["accountEnabled"], false);
    change(Consent {
        principal: Some(Principal::Missing),
        ..Consent::default()
    });
    assert_eq!(client.get(&path).await.status, 404);
    // It comes back as another one.
    change(Consent {
        principal: Some(Principal::Enabled),
        ..Consent::default()
    });
    assert_eq!(client.get(&path).await.status, 404);
    let (anew, _) = client.pages("/servicePrincipals").await;
    assert_eq!(names(&anew), names(&all));
    assert_ne!(anew[1]["id"], all[1]["id"]);
}

#[tokio::test]
async fn a_token_without_the_permission_reads_none() {
    let client = client(&["User.Read.All"]).await;
    for path in [
        "/applications",
        "/servicePrincipals",
        "/applications(appId='x')",
    ] {
        assert_eq!(
            client.get(path).await.code(),
            "Authorization_RequestDenied",
            "{path}"
        );
    }
}

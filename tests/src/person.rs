//! A person who signs in on a device, and has tokens from then on.
#![allow(clippy::unwrap_used, reason = "a test's support")]

use serde_json::{Value, json};

use crate::network::Network;

const FORM: &str = "application/x-www-form-urlencoded";

/// The client id of the application for devices of the first tenant.
pub async fn public_app(network: &Network) -> String {
    let all = network.get("_control/entra?tenant=0").await.unwrap();
    let all = all["applications"].as_array().unwrap().clone();
    let public = all.into_iter().find(|a| a["public"] == true).unwrap();
    public["clientId"].as_str().unwrap().to_owned()
}

/// What a person's sign-in in the first tenant with a device code gives; none where Entra ID is down. It is the user with this
/// id, or the first who may.
pub async fn sign_in(network: &Network, client: &str, user: Option<&str>) -> Option<Value> {
    let tenant = network.sim().tenants()[0].id.clone();
    let path = |end: &str| format!("{tenant}/oauth2/v2.0/{end}");
    let scope = "https://graph.microsoft.com/.default%20offline_access";
    let form = format!("client_id={client}&scope={scope}");
    let begun = network.post(&path("devicecode"), FORM, form).await?;
    let decision = json!({ "userCode": begun["user_code"], "user": user }).to_string();
    let json = "application/json";
    network.post("_control/device", json, decision).await?;
    let code = begun["device_code"].as_str()?;
    let grant = "urn:ietf:params:oauth:grant-type:device_code";
    let form = format!("grant_type={grant}&client_id={client}&device_code={code}");
    network.post(&path("token"), FORM, form).await
}

//! A small Graph client against the simulator in process.
#![allow(dead_code, missing_docs, clippy::unwrap_used)]

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::{HeaderMap, Request};
use graph_sim::{Config, Sim};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

/// What an inventory selects.
pub const SELECT: &str = "id,userPrincipalName,displayName,givenName,surname,mail,accountEnabled,userType,employeeId,employeeType,department,companyName,jobTitle,officeLocation,city,country,usageLocation,createdDateTime,onPremisesSyncEnabled,onPremisesSamAccountName,onPremisesDomainName,assignedLicenses,licenseAssignmentStates";

pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&self.body)))
    }

    pub fn code(&self) -> String {
        self.json()["error"]["code"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }
}

pub async fn send(sim: &Sim, request: Request<Body>) -> Answer {
    let response = sim.router().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes().to_vec();
    Answer {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body,
    }
}

pub struct Client {
    pub sim: Sim,
    pub tenant: usize,
    pub token: String,
}

pub fn form(fields: &[(&str, &str)]) -> String {
    let encode = |text: &str| {
        text.bytes()
            .map(|b| format!("%{b:02X}"))
            .collect::<String>()
    };
    fields
        .iter()
        .map(|(n, v)| format!("{n}={}", encode(v)))
        .collect::<Vec<_>>()
        .join("&")
}

pub async fn ask_token(sim: &Sim, tenant: &str, fields: &[(&str, &str)]) -> Answer {
    let uri = format!("http://graph-sim.localhost/{tenant}/oauth2/v2.0/token");
    let request = Request::post(uri).header("content-type", "application/x-www-form-urlencoded");
    send(sim, request.body(Body::from(form(fields))).unwrap()).await
}

impl Client {
    pub async fn new(config: Config) -> Self {
        Self::of(&Sim::new(config), 0).await
    }

    pub async fn of(sim: &Sim, tenant: usize) -> Self {
        let info = &sim.tenants()[tenant];
        let scope = format!("{}/.default", info.graph);
        let fields = [
            ("grant_type", "client_credentials"),
            ("client_id", info.client_id.as_str()),
            ("client_secret", info.client_secret.as_str()),
            ("scope", scope.as_str()),
        ];
        let answer = ask_token(sim, &info.id, &fields).await.json();
        Self {
            sim: sim.clone(),
            tenant,
            token: answer["access_token"].as_str().unwrap().to_owned(),
        }
    }

    /// A GET below the version root, or of an absolute link.
    pub async fn get(&self, path: &str) -> Answer {
        self.get_with(path, &[]).await
    }

    pub async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let uri = if path.starts_with("http") {
            path.to_owned()
        } else {
            format!("http://graph-sim.localhost/v1.0{path}")
        };
        let mut request =
            Request::get(uri).header("authorization", format!("Bearer {}", self.token));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        send(&self.sim, request.body(Body::empty()).unwrap()).await
    }

    pub async fn batch(&self, body: &Value) -> Answer {
        let request = Request::post("http://graph-sim.localhost/v1.0/$batch")
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/json");
        send(
            &self.sim,
            request.body(Body::from(body.to_string())).unwrap(),
        )
        .await
    }

    /// Follows a chain of pages; the objects, and the delta link at its end.
    pub async fn pages(&self, path: &str) -> (Vec<Value>, Option<String>) {
        let (mut values, mut next) = (Vec::new(), path.to_owned());
        loop {
            let answer = self.get(&next).await;
            assert_eq!(
                answer.status,
                200,
                "{next}: {}",
                String::from_utf8_lossy(&answer.body)
            );
            let mut page = answer.json();
            values.append(page["value"].as_array_mut().unwrap());
            match page["@odata.nextLink"].as_str() {
                Some(link) => next = link.to_owned(),
                None => return (values, page["@odata.deltaLink"].as_str().map(str::to_owned)),
            }
        }
    }

    /// All users by id, as the truth has them.
    pub fn truth(&self) -> BTreeMap<String, Value> {
        let mut users = BTreeMap::new();
        self.sim.truth_users(self.tenant, |json| {
            let user: Value = serde_json::from_slice(json).unwrap();
            users.insert(user["id"].as_str().unwrap().to_owned(), user);
        });
        users
    }
}

pub fn by_id(users: Vec<Value>) -> BTreeMap<String, Value> {
    let count = users.len();
    let map: BTreeMap<_, _> = users
        .into_iter()
        .map(|u| (u["id"].as_str().unwrap().to_owned(), u))
        .collect();
    assert_eq!(map.len(), count, "an id came twice");
    map
}

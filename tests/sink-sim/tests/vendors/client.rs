//! A client as a test wants it.

use reqwest::redirect::Policy;
use serde_json::Value;
use sink_sim::{Sim, Vendor};

/// Sends the same headers with each request, and follows no redirect.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    url: String,
    headers: Vec<(String, String)>,
}

/// An answer, whole.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }
}

impl Client {
    pub fn new<V: Vendor>(sim: &Sim<V>) -> Self {
        let http = reqwest::Client::builder().redirect(Policy::none());
        Self {
            http: http.no_proxy().build().unwrap(),
            url: sim.url().to_owned(),
            headers: Vec::new(),
        }
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Gets a token by a form, and sends it with each request.
    pub async fn signed_in(self, path: &str, id: &str, secret: &str) -> Self {
        let client = format!("client_id={id}&client_secret={secret}");
        let form = format!("grant_type=client_credentials&{client}");
        let answer = self.grant(path, &form).await.json();
        self.with(
            "authorization",
            &format!("Bearer {}", answer["access_token"].as_str().unwrap()),
        )
    }

    pub async fn grant(&self, path: &str, form: &str) -> Answer {
        let form_type = ("content-type", "application/x-www-form-urlencoded");
        self.send("POST", path, &[form_type], form.as_bytes())
            .await
            .unwrap()
    }

    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Answer, reqwest::Error> {
        let method = method.parse().unwrap();
        let mut request = self.http.request(method, format!("{}{path}", self.url));
        let own = self
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in own.chain(headers.iter().copied()) {
            request = request.header(name, value);
        }
        let response = request.body(body.to_vec()).send().await?;
        Ok(Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response.bytes().await?.to_vec(),
        })
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], b"").await.unwrap()
    }

    pub async fn json(&self, method: &str, path: &str, body: &Value) -> Answer {
        let headers = [("content-type", "application/json")];
        let body = body.to_string();
        self.send(method, path, &headers, body.as_bytes())
            .await
            .unwrap()
    }
}

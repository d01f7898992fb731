//! The requests about licences, their users, and accounts.
//!
//! Source: the vendor's OpenAPI documents `licenses.yaml` 1.7.0 and `useraccounts.json` 1.0.0.

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{Method, Request};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::time::Instant;
use url::Url;

use super::accounts::{Account, Accounts};
use crate::http::{Answer, Patient, unsendable};
use crate::sink::Refusal;

/// Items of a page: what a page has unless more are asked for.
const PAGE: usize = 100;

/// Pages of a list: ten million items.
const PAGES: usize = 100_000;

/// A region's system.
pub(super) struct Api {
    pub way: Patient,
    /// `https://westeurope.snowsoftware.io`
    pub base: String,
}

#[derive(Deserialize)]
struct Page<T> {
    items: Vec<T>,
    #[serde(default)]
    pagination: Option<Pagination>,
}

#[derive(Deserialize)]
struct Pagination {
    #[serde(default)]
    total_pages: usize,
}

/// A licence as it is listed.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Listed {
    pub id: String,
    #[serde(default)]
    pub external_id: Option<String>,
}

impl Api {
    /// Asks for something that is there, and changes nothing.
    pub(super) async fn reach(&self) -> Result<(), Refusal> {
        let query = [("page_number", "1"), ("page_size", "1")];
        let url = self.url("sam/v1/licenses", &query)?;
        self.send(Method::GET, &url, None, None).await.map(drop)
    }

    /// The licences whose external id begins with this, in whatever case.
    pub(super) async fn licenses(&self, prefix: &str) -> Result<Vec<Listed>, Refusal> {
        let filter = format!("externalId -startswith \"{prefix}\"");
        let mut all = Vec::new();
        self.list("sam/v1/licenses", Some(&filter), |item| all.push(item))
            .await?;
        // A filter that was ignored must not make others' licences ours.
        let ours = |l: &Listed| {
            l.external_id
                .as_deref()
                .is_some_and(|e| e.starts_with(prefix))
        };
        all.retain(ours);
        Ok(all)
    }

    /// A licence; `None` where there is none.
    pub(super) async fn license(&self, id: &str) -> Result<Option<Value>, Refusal> {
        let url = self.url(&format!("sam/v1/licenses/{id}"), &[])?;
        match missing(self.send(Method::GET, &url, None, None).await)? {
            Some(answer) => answer.json().map(Some),
            None => Ok(None),
        }
    }

    /// Makes a licence, and returns its id.
    pub(super) async fn create(
        &self,
        fields: &Map<String, Value>,
        until: Instant,
    ) -> Result<String, Refusal> {
        let url = self.url("sam/v1/licenses", &[])?;
        let body = text(fields)?;
        let made = self
            .send(Method::POST, &url, Some(body), Some(until))
            .await?;
        let made: Listed = made.json()?;
        Ok(made.id)
    }

    /// Puts a licence in the place of one.
    pub(super) async fn replace(
        &self,
        id: &str,
        fields: &Map<String, Value>,
        until: Instant,
    ) -> Result<(), Refusal> {
        let url = self.url(&format!("sam/v1/licenses/{id}"), &[])?;
        let body = text(fields)?;
        self.send(Method::PUT, &url, Some(body), Some(until))
            .await
            .map(drop)
    }

    /// Has exactly these accounts hold a licence.
    pub(super) async fn assign(
        &self,
        id: &str,
        accounts: &[&str],
        until: Instant,
    ) -> Result<(), Refusal> {
        let url = self.url(&format!("sam/v1/licenses/{id}/assignments/users"), &[])?;
        let users = accounts.iter().map(|id| json!({ "userId": id }));
        let body = text(&users.collect::<Vec<_>>())?;
        self.send(Method::PUT, &url, Some(body), Some(until))
            .await
            .map(drop)
    }

    /// Removes a licence, if it is there.
    pub(super) async fn remove(&self, id: &str, until: Instant) -> Result<(), Refusal> {
        let url = self.url(&format!("sam/v1/licenses/{id}"), &[])?;
        let removed = self.send(Method::DELETE, &url, None, Some(until)).await;
        missing(removed).map(drop)
    }

    /// All accounts.
    pub(super) async fn accounts(&self) -> Result<Accounts, Refusal> {
        let mut all = Accounts::default();
        let add = |account: Account| all.add(account);
        self.list("sam/estate/v1/user-accounts", None, add).await?;
        Ok(all)
    }

    async fn list<T: DeserializeOwned>(
        &self,
        path: &str,
        filter: Option<&str>,
        mut take: impl FnMut(T),
    ) -> Result<(), Refusal> {
        for page in 1..=PAGES {
            let (number, size) = (page.to_string(), PAGE.to_string());
            let mut query = vec![
                ("page_number", number.as_str()),
                ("page_size", size.as_str()),
            ];
            query.extend(filter.map(|filter| ("filter", filter)));
            let url = self.url(path, &query)?;
            let answer = self.send(Method::GET, &url, None, None).await?;
            let Page { items, pagination } = answer.json()?;
            let full = items.len() >= PAGE;
            items.into_iter().for_each(&mut take);
            let more = pagination.map_or(full, |p| page < p.total_pages);
            if !more {
                return Ok(());
            }
        }
        Err(Refusal::Transient {
            why: "a list of its has no end".to_owned(),
        })
    }

    fn url(&self, path: &str, query: &[(&str, &str)]) -> Result<String, Refusal> {
        // Ids are what the system answered before.
        let plain = |c: char| c.is_ascii_alphanumeric() || ['/', '-', '_'].contains(&c);
        if !path.chars().all(plain) {
            return Err(unsendable(&"an id of its is none"));
        }
        let mut url =
            Url::parse(&format!("{}/api/{path}", self.base)).map_err(|e| unsendable(&e))?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        // In a filter a plus may be a plus.
        Ok(url.as_str().replace('+', "%20"))
    }

    async fn send(
        &self,
        method: Method,
        url: &str,
        body: Option<Vec<u8>>,
        until: Option<Instant>,
    ) -> Result<Answer, Refusal> {
        let mut request = Request::builder()
            .method(method)
            .uri(url)
            .header(ACCEPT, "application/json");
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let request = request.body(Bytes::from(body.unwrap_or_default()));
        let request = request.map_err(|e| unsendable(&e))?;
        self.way.send_until(&request, until).await
    }
}

fn text(body: &impl Serialize) -> Result<Vec<u8>, Refusal> {
    serde_json::to_vec(body).map_err(|e| unsendable(&e))
}

/// An answer, unless what was asked for is not there.
fn missing(answer: Result<Answer, Refusal>) -> Result<Option<Answer>, Refusal> {
    match answer {
        Err(Refusal::Misplaced {
            status: Some(404), ..
        }) => Ok(None),
        answer => answer.map(Some),
    }
}

//! The requests of import jobs.
//!
//! Source: Flexera's OpenAPI document of SaaS Management, v1. It calls the checksum "base64-encoded" where its pattern
//! and its example have 32 hexadecimal digits: these are sent.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, LOCATION};
use http::{Method, Request};
use runtime::clock::rfc3339;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::Instant;
use url::Url;

use super::roster::File;
use crate::http::{Answer, Patient, unsendable};
use crate::sink::Refusal;

/// How often an upload is tried that ends without an answer.
const UPLOADS: u32 = 3;

/// Pages of jobs that are looked through for one: those of a day or two.
const PAGES: usize = 100;

/// Clocks differ: a job may seem to be older than the wish for it.
const EARLIER: Duration = Duration::from_secs(86_400);

/// Characters that are shown of what a job complains of.
const LONGEST_COMPLAINT: usize = 300;

/// An organisation's resources.
pub(super) struct Api {
    pub way: Patient,
    /// `https://api.flexera.com/saas/v1/orgs/1105`
    pub base: String,
}

/// A job as it is shown.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Job {
    id: String,
    status: String,
    #[serde(default)]
    errors: Vec<Complaint>,
    #[serde(default)]
    saas_data_list: Vec<Data>,
}

#[derive(Deserialize)]
struct Complaint {
    #[serde(default)]
    summary: String,
    #[serde(default)]
    error: String,
}

/// A file as it is shown.
#[derive(Deserialize)]
struct Data {
    #[serde(default)]
    name: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    checksum: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Jobs {
    #[serde(default)]
    values: Vec<Job>,
    #[serde(default)]
    next_page: Option<String>,
}

/// What became of a job.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It waits or runs.
    Open,
    /// All its files are loaded.
    Completed,
    /// Nothing is loaded, because of this.
    Failed(String),
}

impl Api {
    /// Asks for something that is there, and changes nothing.
    pub(super) async fn reach(&self) -> Result<(), Refusal> {
        self.get(&format!("{}/import-jobs", self.base))
            .await
            .map(drop)
    }

    /// Uploads a file under a name that nobody has had. It has no effect before a job loads it.
    pub(super) async fn upload(&self, name: &str, file: &File) -> Result<(), Refusal> {
        let announce = json!({ "fileName": name });
        let announced = self.post("saas-data", &announce, None).await?;
        let url = format!("{}/saas-data/{}", self.base, id(&announced)?);
        let request = Request::builder()
            .method(Method::PATCH)
            .uri(&url)
            .header(CONTENT_TYPE, "application/json")
            .header(CONTENT_ENCODING, "gzip")
            .header("checksum", &file.checksum)
            .body(Bytes::from(file.bytes.clone()))
            .map_err(|e| unsendable(&e))?;
        let mut tries = 0;
        loop {
            tries += 1;
            let refusal = match self.way.send(&request).await {
                Ok(_) => return Ok(()),
                Err(refusal) => refusal,
            };
            // A file is written once: it may be there although no answer came, and then it is refused (423).
            let passes = matches!(refusal, Refusal::Transient { .. });
            if !passes && !matches!(refusal, Refusal::Permanent { .. }) {
                return Err(refusal);
            }
            let shown: Data = self.get(&url).await?.json()?;
            if shown.status == "uploaded" && shown.checksum == file.checksum {
                return Ok(());
            }
            if !passes || tries >= UPLOADS {
                return Err(refusal);
            }
        }
    }

    /// Makes a job that loads these files as a whole, and returns its id. Not begun after `until`.
    pub(super) async fn begin(
        &self,
        app: &str,
        files: &[String],
        until: Instant,
    ) -> Result<String, Refusal> {
        let names = files.iter().map(|name| json!({ "name": name }));
        let job = json!({
            "managedAppId": app,
            "saasDataList": names.collect::<Vec<_>>(),
            "importSettings": { "taskName": "ApplicationRoster", "loadType": "full" },
        });
        let made = self.post("import-jobs", &job, Some(until)).await?;
        id(&made)
    }

    /// The job of an application that has this file, made at this time or later (microseconds since 1970).
    pub(super) async fn find(
        &self,
        app: &str,
        file: &str,
        since: u64,
    ) -> Result<Option<String>, Refusal> {
        // As the document's examples name an application.
        let (_, path) = self.base.split_once("/saas/").unwrap_or_default();
        let earlier = u64::try_from(EARLIER.as_micros()).unwrap_or(0);
        let since = rfc3339(since.saturating_sub(earlier));
        let filter =
            format!("sourceHref eq 'saas/{path}/managed-apps/{app}' and createdAt gt '{since}'");
        let wrong = |_| unsendable(&"no address");
        let mut url = Url::parse(&format!("{}/import-jobs", self.base)).map_err(wrong)?;
        url.query_pairs_mut().append_pair("filter", &filter);
        for _ in 0..PAGES {
            let page: Jobs = self.get(url.as_str()).await?.json()?;
            let has = |job: &Job| job.saas_data_list.iter().any(|data| data.name == file);
            if let Some(job) = page.values.into_iter().find(has) {
                return Ok(Some(job.id));
            }
            let Some(next) = page.next_page.filter(|next| !next.is_empty()) else {
                return Ok(None);
            };
            let next = url.join(&next).map_err(wrong)?;
            // Tokens go nowhere else.
            if next.origin() != url.origin() {
                return Err(Refusal::Misplaced {
                    status: None,
                    why: "its next page is at another host".to_owned(),
                });
            }
            url = next;
        }
        Err(Refusal::Transient {
            why: "it has too many jobs to find one".to_owned(),
        })
    }

    /// What became of a job; `None` where there is no such job.
    pub(super) async fn outcome(&self, job: &str) -> Result<Option<Outcome>, Refusal> {
        let answer = self.get(&format!("{}/import-jobs/{job}", self.base)).await;
        let job: Job = match answer {
            Ok(answer) => answer.json()?,
            Err(Refusal::Misplaced {
                status: Some(404), ..
            }) => return Ok(None),
            Err(refusal) => return Err(refusal),
        };
        Ok(Some(match job.status.as_str() {
            "completed" => Outcome::Completed,
            "failed" => Outcome::Failed(complaints(&job.errors)),
            _ => Outcome::Open,
        }))
    }

    async fn get(&self, url: &str) -> Result<Answer, Refusal> {
        let request = Request::get(url).header(ACCEPT, "application/json");
        let request = request.body(Bytes::new()).map_err(|e| unsendable(&e))?;
        self.way.send(&request).await
    }

    async fn post(
        &self,
        to: &str,
        body: &impl Serialize,
        until: Option<Instant>,
    ) -> Result<Answer, Refusal> {
        let body = serde_json::to_vec(body).map_err(|e| unsendable(&e))?;
        let request = Request::post(format!("{}/{to}", self.base))
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json")
            .body(body.into())
            .map_err(|e| unsendable(&e))?;
        self.way.send_until(&request, until).await
    }
}

/// The id of what was made: the last part of its address.
fn id(answer: &Answer) -> Result<String, Refusal> {
    let location = answer.headers.get(LOCATION).and_then(|l| l.to_str().ok());
    let id = location.and_then(|l| l.rsplit('/').next()).unwrap_or("");
    let plain = |c: char| c.is_ascii_alphanumeric() || ['-', '_', '.'].contains(&c);
    match !id.is_empty() && id.chars().all(plain) {
        true => Ok(id.to_owned()),
        false => Err(Refusal::Transient {
            why: "its answer doesn't name what it made".to_owned(),
        }),
    }
}

/// What a job says, shortened. Words with an `@` are left out: they may be somebody's address.
fn complaints(errors: &[Complaint]) -> String {
    let told = errors.iter().map(|e| match e.error.is_empty() {
        true => e.summary.clone(),
        false => format!("{}: {}", e.summary, e.error),
    });
    let told = told.collect::<Vec<_>>().join("; ");
    let words = told.split_whitespace();
    let words = words.map(|word| if word.contains('@') { "…" } else { word });
    let told = words.collect::<Vec<_>>().join(" ");
    match told.is_empty() {
        true => "it says nothing".to_owned(),
        false => told.chars().take(LONGEST_COMPLAINT).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_are_short_and_name_nobody() {
        let complaint = |error: &str| Complaint {
            summary: "not loaded".into(),
            error: error.into(),
        };
        let told = complaints(&[complaint("a.gz: line 4 (ann@x.example) "), complaint("")]);
        assert_eq!(told, "not loaded: a.gz: line 4 … ; not loaded");
        assert_eq!(complaints(&[]), "it says nothing");
        let long = complaints(&[complaint(&"é ".repeat(1_000))]);
        assert_eq!(long.chars().count(), LONGEST_COMPLAINT);
    }
}

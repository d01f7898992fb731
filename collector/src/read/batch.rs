//! Up to twenty requests in one. Source: Graph, "Combine multiple HTTP requests using JSON batching".

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::error::Error;
use crate::graph::{Graph, Reply, kind};
use crate::graph_error::{GraphError, classify};
use crate::limit::budget::Answer;
use crate::limit::told::Told;
use crate::page;

/// Requests in one.
pub const MOST: usize = 20;
const ROUNDS: u32 = 10;

#[derive(Serialize)]
struct Batch<'a> {
    requests: &'a [Request],
}

#[derive(Serialize)]
struct Request {
    id: String,
    method: &'static str,
    url: String,
}

#[derive(Deserialize)]
struct Responses<'a> {
    #[serde(borrow)]
    responses: Vec<Response<'a>>,
}

#[derive(Deserialize)]
struct Response<'a> {
    id: String,
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(borrow, default)]
    body: Option<&'a RawValue>,
}

/// What became of one of the requests.
pub enum Item<'a> {
    /// A success.
    Body(&'a RawValue),
    /// Graph's own word that there is no such thing: a gateway's 404 proves nothing.
    NotFound,
    /// Graph doesn't take the request as it is (400).
    Refused,
}

/// Sends the requests together; `take` gets the number of each and what became of it. Throttled ones are asked again,
/// and only these. Returns the request id of the last answer.
pub async fn send(
    graph: &Graph,
    urls: Vec<String>,
    mut take: impl FnMut(usize, Item<'_>) -> Result<(), GraphError>,
) -> Result<String, Error> {
    let requests = urls.into_iter().enumerate();
    let mut waiting: Vec<Request> = requests
        .map(|(n, url)| Request {
            id: n.to_string(),
            method: "GET",
            url,
        })
        .collect();
    let mut round = 0;
    let mut last_request_id = String::new();
    while !waiting.is_empty() {
        let parts = graph.portion(waiting.len());
        let body = serde_json::to_vec(&Batch {
            requests: &waiting[..parts],
        })?;
        let asked = u32::try_from(parts).unwrap_or(u32::MAX);
        let (Reply { body, request_id }, pass) = graph.batch(body, asked).await?;
        let text =
            std::str::from_utf8(&body).map_err(|e| page::answer("$batch", &e.to_string()))?;
        let answers: Responses<'_> =
            serde_json::from_str(text).map_err(|_| page::answer("$batch", "not a batch answer"))?;
        let mut kept: BTreeMap<String, Request> =
            waiting.drain(..parts).map(|r| (r.id.clone(), r)).collect();
        let (mut wait, mut refused, mut told) = (Duration::ZERO, 0, None);
        for answer in answers.responses {
            let header = |name: &str| {
                let mut all = answer.headers.iter();
                let found = all.find(|(k, _)| k.eq_ignore_ascii_case(name));
                found.map(|(_, v)| v.as_str())
            };
            let Some(request) = kept.get(&answer.id) else {
                continue;
            };
            let body = answer.body.map(|b| b.get().as_bytes()).unwrap_or_default();
            let says = Told::of(header);
            told = Some(told.map_or(says, |told: Told| told.and(says)));
            let throttled = matches!(kind(answer.status, body, 1), Answer::Refused(_));
            refused += u32::from(throttled);
            let number = answer.id.parse().unwrap_or(usize::MAX);
            match answer.status {
                200 => match answer.body {
                    Some(body) => take(number, Item::Body(body))?,
                    None => return Err(page::answer("$batch", "a success without a body").into()),
                },
                404 if names_object(answer.body) => take(number, Item::NotFound)?,
                400 => take(number, Item::Refused)?,
                429 | 500..=599 => {
                    if !(throttled && pass.is_some()) {
                        let least = Duration::from_secs(1 << round.min(6));
                        wait = wait.max(says.wait.unwrap_or(least).max(least));
                    }
                    continue;
                }
                status => {
                    return Err(classify(&request.url, status, body, &request_id).into());
                }
            }
            kept.remove(&answer.id);
        }
        if let Some(pass) = pass {
            graph.paid(pass, graph.refused(refused), &told.unwrap_or_default());
        }
        last_request_id = request_id;
        if kept.is_empty() {
            continue;
        }
        round += 1;
        if round == ROUNDS {
            return Err(GraphError::Busy {
                status: 429,
                path: "$batch".into(),
            }
            .into());
        }
        waiting.extend(kept.into_values());
        tokio::time::sleep(wait).await;
    }
    Ok(last_request_id)
}

/// Whether a 404 says that there is no such object (and not, say, that a gateway found no server). The last two are
/// Exchange's: no such user, no mailbox.
fn names_object(body: Option<&RawValue>) -> bool {
    const CODES: [&str; 5] = [
        "Request_ResourceNotFound",
        "ResourceNotFound",
        "NotFound",
        "ErrorInvalidUser",
        "MailboxNotEnabledForRESTAPI",
    ];
    body.is_some_and(|b| CODES.contains(&crate::graph_error::code(b.get().as_bytes()).as_str()))
}

/// Ids come from Graph; whatever else they may hold must not become part of a query.
pub fn encode(id: &str) -> String {
    url::form_urlencoded::byte_serialize(id.as_bytes()).collect()
}

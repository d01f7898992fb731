//! Named objects: lists of ids in a `$batch`, and what does not come back asked singly.
//!
//! Sources: Graph, "Combine multiple HTTP requests using JSON batching" (20 requests); "Too many child clauses … Max
//! allowed: 15" for `id in (…)`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proto::pages::v1::RunMode;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::error::Error;
use crate::graph::{Graph, Reply};
use crate::graph_error::{GraphError, classify};
use crate::page;
use crate::publish::{self, Step, Window};
use crate::run::{Answer, Todo};
use crate::worker::Turn;

const IDS_A_FILTER: usize = 15;
const REQUESTS_A_BATCH: usize = 20;
const ROUNDS: u32 = 10;

#[derive(Serialize)]
struct Batch {
    requests: Vec<Request>,
}

#[derive(Clone, Serialize)]
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

#[derive(Deserialize)]
struct Identified {
    id: String,
}

/// Reads the named objects.
pub async fn read(turn: &mut Turn<'_>, ids: BTreeSet<String>) -> Result<(), Error> {
    let mut window = Window::new(turn.bus, turn.window);
    let all: Vec<String> = ids.into_iter().collect();
    let chunk = IDS_A_FILTER * REQUESTS_A_BATCH;
    for (n, asked) in all.chunks(chunk).enumerate() {
        while !window.has_room() {
            let step = window.confirmed().await?;
            turn.confirm(step).await?;
        }
        let answers = ask(turn.graph, turn.declaration, asked).await?;
        let rest = all[((n + 1) * chunk).min(all.len())..]
            .iter()
            .cloned()
            .collect();
        let step = Step {
            sequence: turn.draw(),
            objects: asked.len() as u64,
            rest: Todo::Ids(rest),
        };
        let objects: Vec<&RawValue> = answers.found.values().map(AsRef::as_ref).collect();
        let mut message = publish::page(
            turn.name(step.sequence),
            RunMode::Some,
            &objects,
            answers.request_id,
            turn.now(),
        )
        .map_err(|e| page::answer(turn.declaration.path, &e.to_string()))?;
        for id in answers.not_found {
            match turn.open.not_found(&id) {
                Answer::Gone => message.gone.push(id),
                Answer::Missing => message.missing.push(id),
            }
        }
        window.publish(message, step);
    }
    while !window.is_empty() {
        let step = window.confirmed().await?;
        turn.confirm(step).await?;
    }
    Ok(())
}

struct Answers {
    found: BTreeMap<String, Box<RawValue>>,
    not_found: Vec<String>,
    request_id: String,
}

async fn ask(
    graph: &Graph,
    dataset: &catalog::Declaration,
    ids: &[String],
) -> Result<Answers, Error> {
    let select = dataset.select.join(",");
    let lists = ids.chunks(IDS_A_FILTER).map(|ids| {
        let quoted: Vec<String> = ids
            .iter()
            .map(|id| format!("%27{}%27", encode(id)))
            .collect();
        format!(
            "/{}?$select={select}&$filter=id%20in%20({})",
            dataset.path,
            quoted.join(",")
        )
    });
    let mut found = BTreeMap::new();
    let mut request_id = batch(graph, lists.collect(), |_, body| {
        // A refused list is no failure: whatever does not come back is asked singly.
        let Some(body) = body else { return Ok(()) };
        let list = page::parse("$batch", body.get().as_bytes())?;
        for object in list.value {
            keep(&mut found, object)?;
        }
        Ok(())
    })
    .await?;
    let left: Vec<&String> = ids.iter().filter(|id| !found.contains_key(*id)).collect();
    let mut not_found = Vec::new();
    for ids in left.chunks(REQUESTS_A_BATCH) {
        let singles = ids
            .iter()
            .map(|id| format!("/{}/{}?$select={select}", dataset.path, encode(id)))
            .collect();
        request_id = batch(graph, singles, |n, body| match body {
            Some(object) => keep(&mut found, object),
            None => {
                not_found.push(ids[n].clone());
                Ok(())
            }
        })
        .await?;
    }
    Ok(Answers {
        found,
        not_found,
        request_id,
    })
}

fn keep(found: &mut BTreeMap<String, Box<RawValue>>, object: &RawValue) -> Result<(), GraphError> {
    let Identified { id } = serde_json::from_str(object.get())
        .map_err(|_| page::answer("$batch", "an object without a readable id"))?;
    found.insert(id.to_ascii_lowercase(), object.to_owned());
    Ok(())
}

/// Sends the requests together; `take` gets the number and body of each success, and no body for a 404 or a refused
/// list. Throttled ones are asked again, and only these.
async fn batch(
    graph: &Graph,
    urls: Vec<String>,
    mut take: impl FnMut(usize, Option<&RawValue>) -> Result<(), GraphError>,
) -> Result<String, Error> {
    let mut waiting: Vec<Request> = urls
        .into_iter()
        .enumerate()
        .map(|(n, url)| Request {
            id: n.to_string(),
            method: "GET",
            url,
        })
        .collect();
    let mut round = 0;
    let mut last_request_id = String::new();
    while !waiting.is_empty() {
        let body = serde_json::to_vec(&Batch {
            requests: waiting.clone(),
        })?;
        let Reply { body, request_id } = graph.post("v1.0/$batch", body).await?;
        let text =
            std::str::from_utf8(&body).map_err(|e| page::answer("$batch", &e.to_string()))?;
        let answers: Responses<'_> =
            serde_json::from_str(text).map_err(|_| page::answer("$batch", "not a batch answer"))?;
        let mut wait = Duration::ZERO;
        for answer in answers.responses {
            let Some(place) = waiting.iter().position(|w| w.id == answer.id) else {
                continue;
            };
            let number = answer.id.parse().unwrap_or(usize::MAX);
            let list = waiting[place].url.contains("$filter=");
            match answer.status {
                200 if answer.body.is_none() => {
                    return Err(page::answer("$batch", "a success without a body").into());
                }
                200 => take(number, answer.body)?,
                // Only Graph's own word counts: a gateway's 404 proves nothing.
                404 if names_object(answer.body) => take(number, None)?,
                400 if list => take(number, None)?,
                429 | 500..=599 => {
                    wait = wait.max(
                        retry_after(&answer.headers).max(Duration::from_secs(1 << round.min(6))),
                    );
                    continue;
                }
                status => {
                    let body = answer.body.map(|b| b.get().as_bytes()).unwrap_or_default();
                    return Err(classify(&waiting[place].url, status, body, &request_id).into());
                }
            }
            waiting.swap_remove(place);
        }
        last_request_id = request_id;
        round += 1;
        if !waiting.is_empty() {
            if round == ROUNDS {
                return Err(GraphError::Busy {
                    status: 429,
                    path: "$batch".into(),
                }
                .into());
            }
            tokio::time::sleep(wait).await;
        }
    }
    Ok(last_request_id)
}

/// Whether a 404 says that there is no such object (and not, say, that a gateway found no server).
fn names_object(body: Option<&RawValue>) -> bool {
    const CODES: [&str; 3] = ["Request_ResourceNotFound", "ResourceNotFound", "NotFound"];
    body.is_some_and(|b| CODES.contains(&crate::graph_error::code(b.get().as_bytes()).as_str()))
}

fn retry_after(headers: &BTreeMap<String, String>) -> Duration {
    let value = headers
        .iter()
        .find(|(k, _)| k.eq_ignore_ascii_case("retry-after"))
        .and_then(|(_, v)| v.parse().ok());
    Duration::from_secs(value.unwrap_or(0))
}

/// Ids come from Graph; whatever else they may hold must not become part of a query.
fn encode(id: &str) -> String {
    url::form_urlencoded::byte_serialize(id.as_bytes()).collect()
}

//! `POST /$batch`: up to 20 requests, answered in another order.

use std::collections::{HashMap, HashSet};

use serde::Deserialize;
use serde_json::Value;

use crate::day::shuffle;
use crate::graph::{self, Asked, Request};
use crate::json;
use crate::reply::{Failure, Reply};
use crate::rng::{Rng, mix};
use crate::sim::Sim;

const MOST: usize = 20;

#[derive(Deserialize)]
struct Batch {
    requests: Vec<Item>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    id: String,
    method: String,
    url: String,
    #[serde(default)]
    headers: HashMap<String, Value>,
    #[serde(default)]
    depends_on: Vec<String>,
}

/// Answers a batch; a refusal here is one of the whole batch.
pub(crate) fn answer(sim: &Sim, outer: &Request) -> Result<Reply, Failure> {
    if outer.method != "POST" {
        return Err(Failure::method());
    }
    let invalid = |message: String| Failure::new(400, "BadRequest", message);
    let batch: Batch = serde_json::from_slice(outer.body)
        .map_err(|e| invalid(format!("Invalid batch payload format: {e}.")))?;
    if batch.requests.len() > MOST {
        let message = format!("Number of batch request steps exceeds the maximum value of {MOST}.");
        return Err(Failure::new(400, "MaximumValueExceeded", message));
    }
    let mut seen = HashSet::new();
    for item in &batch.requests {
        if !seen.insert(item.id.as_str()) {
            return Err(invalid(format!(
                "Request Id : {} needs to be unique.",
                item.id
            )));
        }
        if item.url.contains("://") || item.url.is_empty() {
            return Err(invalid(format!(
                "Invalid request url for request id: {}.",
                item.id
            )));
        }
        if let Some(stranger) = item
            .depends_on
            .iter()
            .find(|d| !batch.requests.iter().any(|i| i.id == **d))
        {
            return Err(invalid(format!(
                "Request Id : {} depends on unknown request {stranger}.",
                item.id
            )));
        }
    }
    let mut failed = HashSet::new();
    let mut parts = Vec::with_capacity(batch.requests.len());
    let mut objects = 0;
    for item in &batch.requests {
        let reply = if item.depends_on.iter().any(|d| failed.contains(d.as_str())) {
            let ids = sim.ids(sim.next_seq(), None);
            Failure::new(
                424,
                "FailedDependency",
                "A request that this one depends on failed.",
            )
            .reply(&ids)
        } else {
            one(sim, outer, item)
        };
        if reply.status >= 400 {
            failed.insert(item.id.as_str());
        }
        objects += reply.objects;
        parts.push(part(&item.id, &reply));
    }
    shuffle(
        &mut parts,
        &mut Rng::new(mix(sim.key() ^ 0xba7c, outer.seq)),
    );
    let mut body = Vec::with_capacity(parts.iter().map(|p| p.len() + 1).sum::<usize>() + 20);
    body.extend_from_slice(b"{\"responses\":[");
    for (i, part) in parts.iter().enumerate() {
        if i > 0 {
            body.push(b',');
        }
        body.extend_from_slice(part);
    }
    body.extend_from_slice(b"]}");
    let mut reply = Reply::json(body);
    reply.objects = objects;
    reply.content_type = "application/json";
    Ok(reply)
}

fn one(sim: &Sim, outer: &Request, item: &Item) -> Reply {
    let (path, query) = item.url.split_once('?').unwrap_or((&item.url, ""));
    let path = format!("/{}", path.trim_start_matches('/'));
    let mut asked = Asked::default();
    for (name, value) in &item.headers {
        if let Some(value) = value.as_str() {
            asked.header(name, value);
        }
    }
    // Everybody in a batch accepts JSON; only an item that insists on it can't have a plain number.
    let request = Request {
        seq: sim.next_seq(),
        method: &item.method.to_ascii_uppercase(),
        path: &path,
        query,
        body: &[],
        base: outer.base,
        token: outer.token,
        asked,
        batched: true,
    };
    graph::answer(sim, &request).0
}

fn part(id: &str, reply: &Reply) -> Vec<u8> {
    let mut out = Vec::with_capacity(reply.body.len() + 600);
    out.extend_from_slice(b"{\"id\":");
    json::string(&mut out, id);
    out.extend_from_slice(b",\"status\":");
    json::number(&mut out, u64::from(reply.status));
    out.extend_from_slice(b",\"headers\":{\"Content-Type\":");
    json::string(&mut out, reply.content_type);
    for (name, value) in &reply.headers {
        out.push(b',');
        json::string(&mut out, &canonical(name));
        out.push(b':');
        json::string(&mut out, value);
    }
    // A plain number is a JSON value already.
    out.extend_from_slice(b"},\"body\":");
    out.extend_from_slice(&reply.body);
    out.push(b'}');
    out
}

/// `retry-after` as `Retry-After`: in a batch Graph writes header names with capitals, apart from its own.
fn canonical(name: &str) -> String {
    if name.starts_with("x-ms") || name.ends_with("request-id") {
        return name.to_owned();
    }
    let words = name.split('-').map(|word| {
        let (head, tail) = word.split_at_checked(1).unwrap_or((word, ""));
        head.to_ascii_uppercase() + tail
    });
    words.collect::<Vec<_>>().join("-")
}

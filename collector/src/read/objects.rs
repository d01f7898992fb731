//! Named objects: lists of ids in a `$batch`, and what does not come back asked singly.
//!
//! Source: Graph's answer to more, "Too many child clauses … Max allowed: 15" for `id in (…)`.

use std::collections::{BTreeMap, BTreeSet};

use proto::pages::v1::RunMode;
use serde_json::value::RawValue;

use crate::error::Error;
use crate::graph_error::GraphError;
use crate::page;
use crate::publish::{Content, Window};
use crate::read::batch::{self, Item, encode};
use crate::run::{Answer, Todo};
use crate::worker::Turn;

const IDS_A_FILTER: usize = 15;

/// Reads the named objects.
pub async fn read(turn: &mut Turn<'_>, ids: BTreeSet<String>) -> Result<(), Error> {
    let mut window = Window::new(turn.bus, turn.window);
    let all: Vec<String> = ids.into_iter().collect();
    let chunk = IDS_A_FILTER * batch::MOST;
    for (n, asked) in all.chunks(chunk).enumerate() {
        let mut answers = ask(turn, asked).await?;
        // Who left the part of the people that is read is gone from it.
        let outside = answers.found.extract_if(.., |_, o| !turn.sieve.passes(o));
        let outside = outside.map(|(id, _)| id).collect();
        let rest = all[((n + 1) * chunk).min(all.len())..]
            .iter()
            .cloned()
            .collect();
        let objects: Vec<&RawValue> = answers.found.values().map(AsRef::as_ref).collect();
        let mut content = Content {
            objects: &objects,
            request_id: answers.request_id,
            gone: outside,
            ..Content::default()
        };
        for id in answers.not_found {
            match turn.open.not_found(&id) {
                Answer::Gone => content.gone.push(id),
                Answer::Missing => content.missing.push(id),
            }
        }
        let rest = Todo::Ids(rest).into();
        turn.publish_as(RunMode::Some, &mut window, content, rest)
            .await?;
    }
    turn.drain(&mut window).await
}

struct Answers {
    found: BTreeMap<String, Box<RawValue>>,
    not_found: Vec<String>,
    request_id: String,
}

async fn ask(turn: &Turn<'_>, ids: &[String]) -> Result<Answers, Error> {
    let (graph, dataset) = (turn.graph, turn.declaration);
    let select = turn.hidden.without(dataset.select).join(",");
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
    let mut request_id = batch::send(graph, lists.collect(), |_, item| {
        // A refused list is no failure: whatever does not come back is asked singly.
        let Item::Body(body) = item else {
            return Ok(());
        };
        let list = page::parse("$batch", body.get().as_bytes())?;
        for object in list.value {
            keep(&mut found, object)?;
        }
        Ok(())
    })
    .await?;
    let left: Vec<&String> = ids.iter().filter(|id| !found.contains_key(*id)).collect();
    let mut not_found = Vec::new();
    for ids in left.chunks(batch::MOST) {
        let singles = ids
            .iter()
            .map(|id| format!("/{}/{}?$select={select}", dataset.path, encode(id)))
            .collect();
        request_id = batch::send(graph, singles, |n, item| match item {
            Item::Body(object) => keep(&mut found, object),
            Item::NotFound => {
                not_found.push(ids[n].clone());
                Ok(())
            }
            Item::Refused => Err(page::answer(dataset.path, "an id is refused")),
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
    let id = page::id(object);
    let id = id.ok_or_else(|| page::answer("$batch", "an object without a readable id"))?;
    found.insert(id.to_ascii_lowercase(), object.to_owned());
    Ok(())
}

//! The delta query: learns which ids changed, and nothing else, because its objects may be partial.

use std::collections::BTreeMap;

use catalog::{Declaration, Reading};
use serde::Deserialize;

use crate::error::Error;
use crate::graph::Graph;
use crate::page;
use crate::privacy::Hidden;
use crate::read::trail::Trail;
use crate::run::Link;

#[derive(Deserialize)]
struct Changed {
    id: String,
    #[serde(rename = "@removed", default)]
    removed: Option<serde::de::IgnoredAny>,
}

/// A link from which changes are named from now on: `$deltatoken=latest`.
pub async fn latest(graph: &Graph, dataset: &Declaration, hidden: &Hidden) -> Result<Link, Error> {
    let Reading::ByDelta { tracked } = &dataset.reading else {
        return Err(page::answer(dataset.path, "this dataset has no delta query").into());
    };
    let first = format!(
        "v1.0/{}/delta?$select={}&$deltatoken=latest",
        dataset.path,
        hidden.without(tracked).join(",")
    );
    Ok(changes(graph, Link(first)).await?.1)
}

/// The ids that changed since `link`, each with "is it removed?", and the link for the next time.
pub async fn changes(graph: &Graph, link: Link) -> Result<(BTreeMap<String, bool>, Link), Error> {
    let mut named = BTreeMap::new();
    let mut next = link;
    let mut trail = Trail::default();
    loop {
        let reply = graph.get(&next).await?;
        let page = page::parse(&next.0, &reply.body)?;
        for object in &page.value {
            let changed: Changed = serde_json::from_str(object.get())
                .map_err(|_| page::answer(&next.0, "an object without a readable id"))?;
            // Later entries of a round are newer.
            named.insert(changed.id.to_ascii_lowercase(), changed.removed.is_some());
        }
        match (&page.next, &page.delta) {
            (Some(l), _) => {
                let following = graph.relative(l)?;
                trail.follow(&page, &next, Some(&following))?;
                next = following;
            }
            (_, Some(l)) => return Ok((named, graph.relative(l)?)),
            _ => return Err(page::answer(&next.0, "neither a next page nor a delta link").into()),
        }
    }
}

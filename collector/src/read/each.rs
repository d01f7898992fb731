//! What is read for each of some parents: members of groups, settings of users.

use std::collections::{BTreeMap, BTreeSet};

use catalog::Parents;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::Error;
use crate::graph_error::GraphError;
use crate::page;
use crate::publish::Window;
use crate::read::batch::{self, Item, encode};
use crate::read::list;
use crate::read::trail::Trail;
use crate::run::{Link, Todo};
use crate::worker::Turn;

/// Objects on a published page, when the children are many.
const PAGE: usize = 1_000;

/// Lists the parents.
pub async fn list(turn: &mut Turn<'_>, parents: &Parents) -> Result<(), Error> {
    let filter = parents.filter.map(|f| format!("&$filter={}", encode(f)));
    let first = Link(format!(
        "v1.0/{}?$select=id,{}{}&$top={}",
        parents.path,
        parents.having,
        filter.unwrap_or_default().replace('+', "%20"),
        parents.page_size,
    ));
    let take = |ids: &mut BTreeSet<String>, object: &RawValue| {
        let object: BTreeMap<&str, &RawValue> = serde_json::from_str(object.get())
            .map_err(|_| page::answer(parents.path, "an object that can't be read"))?;
        let id = object
            .get("id")
            .and_then(|i| serde_json::from_str(i.get()).ok());
        let id: String = id.ok_or_else(|| page::answer(parents.path, "an object without id"))?;
        // Null, which Graph never documents, is not "none": to read in vain is better than to leave out.
        let has = |list: &&RawValue| turn.every_parent || list.get() != "[]";
        if object.get(parents.having).is_some_and(has)
            && turn.sieve.passes_parent(parents.owner, &id)
        {
            ids.insert(id.to_ascii_lowercase());
        }
        Ok(())
    };
    let ids = list::all(turn.graph, &first, take).await?;
    turn.update(|open, _| open.parents_listed(ids)).await
}

/// Reads the children of these parents, twenty parents a request.
pub async fn read(
    turn: &mut Turn<'_>,
    parents: &Parents,
    left: BTreeSet<String>,
) -> Result<(), Error> {
    let mut window = Window::new(turn.bus, turn.window);
    let all: Vec<String> = left.into_iter().collect();
    for (n, ids) in all.chunks(batch::MOST).enumerate() {
        let from = |n: usize| Todo::Parents(all.iter().skip(n * batch::MOST).cloned().collect());
        let mut children = first(turn, parents, ids).await?;
        while let Some((parent, link, trail)) = children.more.pop() {
            if children.objects.len() >= PAGE {
                // These parents are not done: whoever goes on from here reads them again.
                children.publish(turn, &mut window, from(n)).await?;
            }
            let reply = turn.graph.get(&link).await?;
            let page = page::parse(&link.0, &reply.body)?;
            children.take(turn, parents, parent, &page, Some((&link, trail)))?;
            children.request_id = reply.request_id;
        }
        children.publish(turn, &mut window, from(n + 1)).await?;
    }
    turn.drain(&mut window).await
}

/// Children that are read and not published yet.
#[derive(Default)]
struct Children {
    objects: Vec<Box<RawValue>>,
    /// Parents with more pages.
    more: Vec<(String, Link, Trail)>,
    request_id: String,
}

/// The only object of a parent.
#[derive(Deserialize)]
struct Value<'a> {
    #[serde(borrow)]
    value: &'a RawValue,
}

async fn first(turn: &Turn<'_>, parents: &Parents, ids: &[String]) -> Result<Children, Error> {
    let declaration = turn.declaration;
    let size = declaration.page_sizes.first().copied();
    let request = turn.first(size);
    let request = request.trim_start_matches("v1.0");
    let urls = ids.iter().map(|id| request.replace("{id}", &encode(id)));
    let mut children = Children::default();
    let collection = size.is_some();
    let request_id = batch::send(turn.graph, urls.collect(), |n, item| {
        let id = ids[n].clone();
        match item {
            Item::Body(body) if collection => {
                let page = page::parse(declaration.path, body.get().as_bytes())?;
                children.take(turn, parents, id, &page, None)
            }
            Item::Body(body) => {
                let Value { value } = serde_json::from_str(body.get())
                    .map_err(|_| page::answer(declaration.path, "no value"))?;
                children.put(parents, &id, value)
            }
            // The parent went away meanwhile.
            Item::NotFound if collection => Ok(()),
            Item::NotFound => children.put(parents, &id, RawValue::NULL),
            Item::Refused => Err(page::answer(declaration.path, "a parent's id is refused")),
        }
    })
    .await?;
    children.request_id = request_id;
    Ok(children)
}

impl Children {
    /// Publishes what is there.
    async fn publish(
        &mut self,
        turn: &mut Turn<'_>,
        window: &mut Window<'_>,
        rest: Todo,
    ) -> Result<(), Error> {
        let objects = std::mem::take(&mut self.objects);
        let objects: Vec<&RawValue> = objects.iter().map(AsRef::as_ref).collect();
        let request_id = self.request_id.clone();
        turn.publish(window, &objects, request_id, rest).await
    }

    fn take(
        &mut self,
        turn: &Turn<'_>,
        parents: &Parents,
        parent: String,
        page: &page::Page<'_>,
        from: Option<(&Link, Trail)>,
    ) -> Result<(), GraphError> {
        for object in &page.value {
            self.put(parents, &parent, object)?;
        }
        if let Some(next) = &page.next {
            let next = turn.graph.relative(next)?;
            let mut trail = Trail::default();
            if let Some((link, before)) = from {
                trail = before;
                trail.follow(page, link, Some(&next))?;
            }
            self.more.push((parent, next, trail));
        }
        Ok(())
    }

    /// A child names its parent.
    fn put(&mut self, parents: &Parents, id: &str, value: &RawValue) -> Result<(), GraphError> {
        let unreadable = |_| page::answer(parents.path, "an id that can't be written");
        let id = serde_json::to_string(id).map_err(unreadable)?;
        let text = format!("{{\"{}\":{id},\"value\":{value}}}", parents.owner);
        self.objects
            .push(RawValue::from_string(text).map_err(unreadable)?);
        Ok(())
    }
}

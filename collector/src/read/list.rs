//! A collection that is looked at and not published, from its beginning to its end.

use serde_json::value::RawValue;

use crate::error::Error;
use crate::graph::Graph;
use crate::graph_error::GraphError;
use crate::page;
use crate::read::trail::Trail;
use crate::run::Link;

/// A chain of pages that starts again more often than this is given up for now.
pub const RESTARTS: u32 = 5;

/// What `take` makes of each object, in a collection of its own; begun anew where a continuation expires.
///
/// # Errors
/// Graph's, and those of `take`.
pub async fn all<T: Default>(
    graph: &Graph,
    first: &Link,
    take: impl Fn(&mut T, &RawValue) -> Result<(), GraphError>,
) -> Result<T, Error> {
    for _ in 0..=RESTARTS {
        match pages(graph, first, &take).await {
            Err(GraphError::PageExpired) => {}
            done => return Ok(done?),
        }
    }
    Err(Error::Restarts(RESTARTS))
}

async fn pages<T: Default>(
    graph: &Graph,
    first: &Link,
    take: impl Fn(&mut T, &RawValue) -> Result<(), GraphError>,
) -> Result<T, GraphError> {
    let (mut taken, mut next) = (T::default(), first.clone());
    let mut trail = Trail::default();
    loop {
        let reply = graph.get(&next).await?;
        let page = page::parse(&next.0, &reply.body)?;
        for object in &page.value {
            take(&mut taken, object)?;
        }
        match &page.next {
            None => return Ok(taken),
            Some(l) => {
                let following = graph.relative(l)?;
                trail.follow(&page, &next, Some(&following))?;
                next = following;
            }
        }
    }
}

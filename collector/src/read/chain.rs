//! A full read: pages follow each other by nextLink.

use crate::error::Error;
use crate::graph_error::GraphError;
use crate::page;
use crate::publish::Window;
use crate::read::list::RESTARTS;
use crate::read::trail::Trail;
use crate::run::{Link, Todo};
use crate::worker::Turn;

/// Reads from `from` (`None`: the beginning) to the end.
pub async fn read(turn: &mut Turn<'_>, from: Option<Link>) -> Result<(), Error> {
    let mut from = from;
    for _ in 0..=RESTARTS {
        match pages(turn, from.take()).await {
            Err(Error::Graph(GraphError::PageExpired)) => {
                tracing::info!(tenant = %turn.tenant, dataset = turn.declaration.name, "the chain of pages expired and starts again");
                turn.update(|open, _| open.restart_chain()).await?;
            }
            Err(circle @ Error::Graph(GraphError::Circle { .. })) => {
                // Whatever went round is not worth keeping, nor is the place where it ended.
                turn.update(|open, _| open.restart_chain()).await?;
                return Err(circle);
            }
            done => return done,
        }
    }
    Err(Error::Restarts(RESTARTS))
}

async fn pages(turn: &mut Turn<'_>, from: Option<Link>) -> Result<(), Error> {
    if let Some(link) = from {
        return follow(turn, link).await;
    }
    // The last resort is Graph's own page size.
    let sizes = turn.declaration.page_sizes.iter().copied().map(Some);
    for size in sizes {
        match follow(turn, Link(turn.first(size))).await {
            Err(Error::Graph(GraphError::Refused { status: 400, .. }))
                if turn.open.page_count() == 0 =>
            {
                tracing::info!(tenant = %turn.tenant, dataset = turn.declaration.name, size, "Graph refuses the request, a smaller page is tried");
            }
            done => return done,
        }
    }
    match follow(turn, Link(turn.first(None))).await {
        Err(Error::Graph(refused)) if turn.open.page_count() == 0 => {
            Err(refused.unlicensed(turn.declaration.licence).into())
        }
        done => done,
    }
}

async fn follow(turn: &mut Turn<'_>, first: Link) -> Result<(), Error> {
    let mut next = Some(first);
    let mut window = Window::new(turn.bus, turn.window);
    let mut trail = Trail::default();
    while next.is_some() || !window.is_empty() {
        let room = window.has_room();
        // A fetch that is dropped because a confirmation came first would be asked twice; so it is kept until done.
        if let Some(link) = next.take_if(|_| room) {
            let mut fetch = std::pin::pin!(turn.graph.get(&link));
            let reply = loop {
                tokio::select! {
                    reply = &mut fetch => break reply?,
                    steps = window.confirmed() => turn.confirm(steps?).await?,
                }
            };
            let page = page::parse(&link.0, &reply.body)?;
            let following = page
                .next
                .as_deref()
                .map(|l| turn.graph.relative(l))
                .transpose()?;
            trail.follow(&page, &link, following.as_ref())?;
            let rest = following
                .clone()
                .map_or(Todo::Nothing, |l| Todo::Chain(Some(l)));
            turn.publish(&mut window, &page.value, reply.request_id, rest)
                .await?;
            next = following;
        } else {
            let steps = window.confirmed().await?;
            turn.confirm(steps).await?;
        }
    }
    Ok(())
}

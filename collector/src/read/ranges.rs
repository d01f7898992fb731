//! A large collection in ranges of a property, several at a time: pages of one range follow each other, and waiting for
//! them is what takes time.

mod again;
mod plan;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;

use crate::error::Error;
use crate::graph::{Graph, Reply};
use crate::graph_error::GraphError;
use crate::page;
use crate::publish::Window;
use crate::read::batch::encode;
use crate::read::count;
use crate::read::trail::Trail;
use crate::run::{Link, Piece, Rest};
use crate::worker::Turn;

use again::Again;

/// Requests at the same time in the beginning; one more with each answer, so that they double in the time of one.
const FIRST: usize = 32;
/// A page for each of which so many objects are planned: ranges differ, and a second page costs the time of the first.
const FILL: f64 = 0.8;
/// A range that is so many pages long and not at its end is split once nothing else is left to do.
const LONG: u32 = 3;
/// More objects of a tenant need one more page of names, to be cut well.
const SAMPLE: u64 = 250_000;
/// Ranges that begin anew, together: more often, and the run is given up for now.
const RESTARTS: u32 = 50;

/// Cuts the collection by the names on its first page; by letters where some of these people are not to be known: ends of
/// ranges are stored. Where Graph refuses, one chain is read.
pub async fn plan(turn: &mut Turn<'_>, property: &str, count: u64) -> Result<(), Error> {
    let size = turn.declaration.largest_page();
    let mut sample = std::mem::take(&mut turn.sample);
    if sample.names.is_empty() {
        // Another process has counted.
        sample = count::ask(turn).await?.1;
    }
    for _ in 0..count / SAMPLE {
        let Some(link) = sample.next.take() else {
            break;
        };
        let reply = match turn.graph.get_eventual(&link).await {
            Err(GraphError::Refused { status: 400, .. } | GraphError::PageExpired) => break,
            reply => reply?,
        };
        let page = page::parse(&link.0, &reply.body)?;
        sample.take(turn, &page, property)?;
    }
    let names = sample.names;
    let parts = (count as f64 / (f64::from(size) * FILL)).ceil() as usize;
    let letters = plan::in_order(&names) || turn.keeps_names_back(property);
    let pieces = plan::cut(&Piece::default(), &names, letters, parts);
    tracing::debug!(tenant = %turn.tenant, dataset = turn.declaration.name, count, ranges = pieces.len(), "the collection is read in ranges");
    match pieces.len() {
        1 => turn.update(|open, _| open.one_chain = true).await,
        _ => turn.update(|open, _| open.planned(pieces)).await,
    }
}

/// Reads what is left of the ranges.
pub async fn read(
    turn: &mut Turn<'_>,
    property: &str,
    pieces: BTreeMap<u32, Piece>,
) -> Result<(), Error> {
    let mut reader = Reader {
        graph: turn.graph,
        first: format!(
            "{}&$filter=",
            turn.first(turn.declaration.page_sizes.first().copied())
        ),
        property,
        queued: pieces.into_iter().map(|(n, p)| (n, p.into())).collect(),
        restarts: 0,
        flying: FuturesUnordered::new(),
        again: Arc::default(),
    };
    let done = reader.read(turn).await;
    match done {
        Err(Error::Graph(GraphError::Refused { status: 400, .. })) => {
            tracing::info!(tenant = %turn.tenant, dataset = turn.declaration.name, "Graph refuses ranges, one chain is read");
            turn.update(|open, _| open.restart_as_one()).await
        }
        done => done,
    }
}

/// A range while it is read.
struct Ranged {
    piece: Piece,
    pages: u32,
    /// Some of the names on its pages, as long as it may be split.
    names: Vec<String>,
    trail: Trail,
}

impl From<Piece> for Ranged {
    fn from(piece: Piece) -> Self {
        Ranged {
            piece,
            pages: 0,
            names: Vec::new(),
            trail: Trail::default(),
        }
    }
}

type Fetched = (u32, Ranged, Link, Result<Reply, GraphError>);

struct Reader<'a, 'p> {
    graph: &'a Graph,
    first: String,
    property: &'p str,
    queued: VecDeque<(u32, Ranged)>,
    restarts: u32,
    flying: FuturesUnordered<BoxFuture<'a, Fetched>>,
    again: Arc<Again>,
}

impl Reader<'_, '_> {
    async fn read(&mut self, turn: &mut Turn<'_>) -> Result<(), Error> {
        let mut window = Window::new(turn.bus, turn.window);
        let mut at_once = FIRST.min(turn.parallel);
        loop {
            if self.queued.is_empty() && self.flying.is_empty() {
                return turn.drain(&mut window).await;
            }
            while self.flying.len() < at_once
                && let Some((number, range)) = self.queued.pop_front()
            {
                self.fetch(number, range);
            }
            self.again.others_wait(!self.queued.is_empty());
            tokio::select! {
                steps = window.confirmed() => turn.confirm(steps?).await?,
                Some((number, range, link, reply)) = self.flying.next() => {
                    at_once = (at_once + 1).min(turn.parallel);
                    self.arrived(turn, &mut window, (number, range, link), reply).await?;
                    let idle = at_once - self.flying.len().min(at_once);
                    if self.queued.len() == 1 && idle > 1 {
                        self.split(turn, &mut window, idle).await?;
                    }
                }
            }
        }
    }

    fn fetch(&mut self, number: u32, range: Ranged) {
        let link = match &range.piece.next {
            Some(link) => link.clone(),
            None => Link(format!("{}{}", self.first, self.filter(&range.piece))),
        };
        let (graph, again) = (self.graph, Arc::clone(&self.again));
        self.flying.push(Box::pin(async move {
            let reply = again.get(graph, &link).await;
            (number, range, link, reply)
        }));
    }

    /// `le` and `ge` are what Graph documents; who stands on an end comes twice, which does no harm.
    fn filter(&self, piece: &Piece) -> String {
        let bound = |word: &str, end: &Option<String>| {
            let end = end.as_ref()?.replace('\'', "''");
            let end = encode(&end).replace('+', "%20");
            Some(format!("{}%20{word}%20%27{end}%27", self.property))
        };
        let bounds = [bound("ge", &piece.from), bound("le", &piece.to)];
        let bounds: Vec<String> = bounds.into_iter().flatten().collect();
        bounds.join("%20and%20")
    }

    async fn arrived(
        &mut self,
        turn: &mut Turn<'_>,
        window: &mut Window<'_>,
        (number, mut range, link): (u32, Ranged, Link),
        reply: Result<Reply, GraphError>,
    ) -> Result<(), Error> {
        let reply = match reply {
            Err(GraphError::PageExpired) => {
                // What was read of it counts all the same, as that of a range that is split.
                self.restarts += 1;
                if self.restarts > RESTARTS {
                    return Err(Error::Restarts(RESTARTS));
                }
                let piece = Piece {
                    next: None,
                    objects: 0,
                    ..range.piece.clone()
                };
                return self.replace(turn, window, number, vec![piece]).await;
            }
            reply => reply?,
        };
        let page = page::parse(&link.0, &reply.body)?;
        let next = page.next.as_deref().map(|l| turn.graph.relative(l));
        range.piece.next = next.transpose()?;
        range.pages += 1;
        if let Err(circle) = range.trail.follow(&page, &link, range.piece.next.as_ref()) {
            // As in a chain.
            turn.update(|open, _| open.restart_chain()).await?;
            return Err(circle.into());
        }
        range.piece.objects += page.value.len() as u64;
        let more = range.piece.next.is_some();
        if more && range.pages <= LONG {
            let names = page
                .value
                .iter()
                .filter_map(|o| page::text(o, self.property));
            range.names.extend(plan::sample(names.collect()));
        }
        let rest = Rest::Piece(number, more.then(|| range.piece.clone()));
        turn.publish(window, &page.value, reply.request_id, rest)
            .await?;
        if more {
            self.queued.push_back((number, range));
        }
        Ok(())
    }

    /// Splits the only range that waits, where it is long: nothing else is left for so many idle requests.
    async fn split(
        &mut self,
        turn: &mut Turn<'_>,
        window: &mut Window<'_>,
        idle: usize,
    ) -> Result<(), Error> {
        let Some((number, range)) = self.queued.pop_back() else {
            return Ok(());
        };
        let mut whole = Piece {
            next: None,
            objects: 0,
            ..range.piece.clone()
        };
        let in_order = plan::in_order(&range.names);
        // Sorted, so that everything up to the last one is read.
        if let Some(last) = range
            .names
            .last()
            .filter(|_| in_order && !turn.keeps_names_back(self.property))
        {
            whole.from = Some(last.to_lowercase());
        }
        let long = range.pages == LONG || in_order && range.pages < LONG;
        let pieces = match long {
            true => {
                let letters = in_order || turn.keeps_names_back(self.property);
                plan::cut(&whole, &range.names, letters, idle.min(LONG as usize * 3))
            }
            false => Vec::new(),
        };
        if pieces.len() < 2 {
            self.queued.push_back((number, range));
            return Ok(());
        }
        self.replace(turn, window, number, pieces).await
    }

    /// Puts pieces in the place of a range, once its pages are safe.
    async fn replace(
        &mut self,
        turn: &mut Turn<'_>,
        window: &mut Window<'_>,
        number: u32,
        pieces: Vec<Piece>,
    ) -> Result<(), Error> {
        turn.drain(window).await?;
        let before: BTreeSet<u32> = turn.open.ranges().map(|(n, _)| n).collect();
        turn.update(move |open, _| open.split(number, pieces))
            .await?;
        let new = turn.open.ranges().filter(|(n, _)| !before.contains(n));
        self.queued
            .extend(new.map(|(n, piece)| (n, piece.clone().into())));
        Ok(())
    }
}

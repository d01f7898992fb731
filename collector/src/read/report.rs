//! A usage report: a CSV file, of which never more than a page is in memory.

use futures::TryStreamExt as _;
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};

use crate::error::Error;
use crate::graph::Tries;
use crate::graph_error::GraphError;
use crate::page;
use crate::publish::Window;
use crate::read::csv::Csv;
use crate::run::Todo;
use crate::worker::Turn;

/// Rows on a published page.
const PAGE: usize = 1_000;
/// The column that every report has: what hasn't is something else, a proxy's page most likely.
const PROOF: &str = "Report Refresh Date";

/// Reads the whole file: the link behind it expires, so nothing can be gone on with.
pub async fn read(turn: &mut Turn<'_>) -> Result<(), Error> {
    // For all of them together: Graph allows a handful of requests for a report in ten minutes.
    let mut tries = Tries::default();
    loop {
        if turn.open.page_count() > 0 {
            turn.update(|open, _| open.restart_chain()).await?;
        }
        match rows(turn, &mut tries).await {
            Err(Error::Graph(e @ (GraphError::Unreachable { .. } | GraphError::Answer { .. }))) => {
                turn.graph.later(&mut tries, || e).await?;
                tracing::info!(tenant = %turn.tenant, dataset = turn.declaration.name, "the report was cut off and is read again");
            }
            done => return done,
        }
    }
}

async fn rows(turn: &mut Turn<'_>, tries: &mut Tries) -> Result<(), Error> {
    let path = page::first(turn.declaration, None);
    let mut report = turn.graph.download(&path, tries).await?;
    let mut window = Window::new(turn.bus, turn.window);
    let (mut csv, mut header, mut rows) = (Csv::default(), None, Vec::new());
    let mut as_of = None;
    loop {
        let chunk = report.chunks.try_next().await;
        let chunk = chunk.map_err(|source| turn.graph.cut(source))?;
        let end = chunk.is_none();
        csv.feed(&chunk.unwrap_or_default());
        while let Some(record) = csv.next() {
            let Some(header) = &header else {
                header = Some(columns(&path, record)?);
                continue;
            };
            if as_of.is_none() {
                as_of = date(header, &record);
            }
            rows.push(row(&path, header, &record)?);
            if rows.len() == PAGE {
                let rows = std::mem::take(&mut rows);
                send(
                    turn,
                    &mut window,
                    rows,
                    &report.request_id,
                    Todo::Chain(None),
                )
                .await?;
            }
        }
        if end {
            break;
        }
    }
    if header.is_none() {
        return Err(page::answer(&path, "an empty file, without even a header").into());
    }
    if let Some(as_of) = as_of {
        turn.update(|open, _| open.data_as_of = as_of).await?;
    }
    send(turn, &mut window, rows, &report.request_id, Todo::Nothing).await?;
    turn.drain(&mut window).await
}

/// The day that the report is of.
fn date(header: &[String], record: &[String]) -> Option<String> {
    let place = header.iter().position(|name| name == PROOF)?;
    let date = record.get(place)?.chars().take(10).collect::<String>();
    (!date.is_empty()).then_some(date)
}

fn columns(path: &str, mut header: Vec<String>) -> Result<Vec<String>, GraphError> {
    if let Some(first) = header.first_mut() {
        *first = first.trim_start_matches('\u{feff}').to_owned();
    }
    match header.iter().any(|name| name == PROOF) {
        true => Ok(header),
        false => Err(page::answer(path, "no usage report")),
    }
}

/// A row as an object: cells by their columns' names.
struct Cells<'a>(&'a [String], &'a [String]);

impl Serialize for Cells<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(Some(self.0.len()))?;
        for (name, cell) in self
            .0
            .iter()
            .zip(self.1)
            .filter(|(_, cell)| !cell.is_empty())
        {
            map.serialize_entry(name, cell)?;
        }
        map.end()
    }
}

fn row(path: &str, header: &[String], record: &[String]) -> Result<Box<RawValue>, GraphError> {
    if record.len() != header.len() {
        return Err(page::answer(
            path,
            "a row with more or fewer cells than the header",
        ));
    }
    to_raw_value(&Cells(header, record)).map_err(|e| page::answer(path, &e.to_string()))
}

async fn send(
    turn: &mut Turn<'_>,
    window: &mut Window<'_>,
    rows: Vec<Box<RawValue>>,
    request_id: &str,
    rest: Todo,
) -> Result<(), Error> {
    let rows: Vec<&RawValue> = rows.iter().map(AsRef::as_ref).collect();
    turn.publish(window, &rows, request_id.to_owned(), rest)
        .await
}

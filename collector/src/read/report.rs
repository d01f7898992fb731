//! A usage report: a CSV file, of which never more than a page is in memory.

use futures::TryStreamExt as _;
use proto::pages::v1::RunMode;
use serde_json::value::RawValue;

use crate::error::Error;
use crate::graph::Tries;
use crate::graph_error::GraphError;
use crate::page;
use crate::publish::{Content, Window};
use crate::read::rows::Rows;
use crate::run::Todo;
use crate::worker::Turn;

/// Rows on a published page.
const PAGE: usize = 1_000;

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
    let path = turn.first(None);
    let mut download = turn.graph.download(&path, tries).await?;
    let mut window = Window::new(turn.bus, turn.window);
    let (mut report, mut page) = (Rows::default(), Vec::new());
    loop {
        let chunk = download.chunks.try_next().await;
        let chunk = chunk.map_err(|source| turn.graph.cut(source))?;
        let end = chunk.is_none();
        report.feed(&chunk.unwrap_or_default());
        while let Some(row) = report.next_row().map_err(|why| page::answer(&path, why))? {
            page.push(row);
            if page.len() == PAGE {
                let (page, rest) = (std::mem::take(&mut page), Todo::Chain(None));
                send(
                    turn,
                    &mut window,
                    &report,
                    (page, &download.request_id),
                    rest,
                )
                .await?;
            }
        }
        if end {
            break;
        }
    }
    if report.columns().is_none() {
        return Err(page::answer(&path, "an empty file, without even a header").into());
    }
    if let Some(as_of) = report.as_of() {
        let as_of = as_of.to_owned();
        turn.update(|open, _| open.data_as_of = as_of).await?;
    }
    let last = (page, download.request_id.as_str());
    send(turn, &mut window, &report, last, Todo::Nothing).await?;
    turn.drain(&mut window).await
}

async fn send(
    turn: &mut Turn<'_>,
    window: &mut Window<'_>,
    report: &Rows,
    (rows, request_id): (Vec<Box<RawValue>>, &str),
    rest: Todo,
) -> Result<(), Error> {
    let rows: Vec<&RawValue> = rows.iter().map(AsRef::as_ref).collect();
    let content = Content {
        objects: &rows,
        request_id: request_id.to_owned(),
        columns: report.columns().unwrap_or_default().to_vec(),
        ..Content::default()
    };
    turn.publish_as(RunMode::Full, window, content, rest.into())
        .await
}

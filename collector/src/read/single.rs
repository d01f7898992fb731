//! One object that is no collection.

use proto::pages::v1::RunMode;
use serde_json::value::RawValue;

use crate::error::Error;
use crate::page;
use crate::publish::{self, Step, Window};
use crate::run::{Link, Todo};
use crate::worker::Turn;

/// Reads it.
pub async fn read(turn: &mut Turn<'_>) -> Result<(), Error> {
    let link = Link(page::first(turn.declaration, None));
    let reply = turn.graph.get(&link).await?;
    let object: Option<&RawValue> = serde_json::from_slice(&reply.body).ok();
    let object = object
        .filter(|o| o.get().starts_with('{'))
        .ok_or_else(|| page::answer(&link.0, "not an object"))?;
    let step = Step {
        sequence: turn.draw(),
        objects: 1,
        rest: Todo::Nothing,
    };
    let message = publish::page(
        turn.name(step.sequence),
        RunMode::Full,
        &[object],
        reply.request_id,
        turn.now(),
    )
    .map_err(|e| page::answer(&link.0, &e.to_string()))?;
    let mut window = Window::new(turn.bus, 1);
    window.publish(message, step);
    let step = window.confirmed().await?;
    turn.confirm(step).await
}

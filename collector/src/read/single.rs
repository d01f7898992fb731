//! One object that is no collection.

use serde_json::value::RawValue;

use crate::error::Error;
use crate::page;
use crate::publish::Window;
use crate::run::{Link, Todo};
use crate::worker::Turn;

/// Reads it.
pub async fn read(turn: &mut Turn<'_>) -> Result<(), Error> {
    let link = Link(turn.first(None));
    let reply = turn.graph.get(&link).await?;
    let object: Option<&RawValue> = serde_json::from_slice(&reply.body).ok();
    let object = object
        .filter(|o| o.get().starts_with('{'))
        .ok_or_else(|| page::answer(&link.0, "not an object"))?;
    let mut window = Window::new(turn.bus, turn.window);
    turn.publish(&mut window, &[object], reply.request_id, Todo::Nothing)
        .await?;
    turn.drain(&mut window).await
}

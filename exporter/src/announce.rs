//! "Tenant T has closing n": a reason to ask for the heads now.

use std::convert::Infallible;

use bus::{Bus, ConsumeOptions, Outcome};
use proto::message::{Body, Queue};
use runtime::{CancellationToken, Problem};

use crate::board::Board;

/// Listens to announcements until `stop`.
pub(crate) async fn run(bus: Bus, board: Board, stop: CancellationToken) -> Result<(), Problem> {
    let options = ConsumeOptions {
        prefetch: 64,
        ..ConsumeOptions::default()
    };
    bus::consume(&bus, Queue::Closing, options, stop, move |received| {
        let outcome = match received.body {
            Body::Closing(closing) => {
                if let Ok(tenant) = closing.tenant_id.parse() {
                    runtime::trace::tenant(&tenant);
                    board.announced(tenant);
                }
                board.request(false);
                Outcome::Done
            }
            _ => Outcome::Reject("not an announcement of a closing".into()),
        };
        async move { Ok::<_, Infallible>(outcome) }
    })
    .await
}

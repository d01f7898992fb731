//! What the workers and the operators' service share: the sinks, made once.

use std::sync::{Arc, Mutex, PoisonError};

use runtime::Clock;
use runtime::db::Db;

use crate::board::Board;
use crate::config::Config;
use crate::delivery::Gate;
use crate::error::Error;
use crate::feed::Feed;
use crate::service::Deps;
use crate::sink::{Context, Sink};
use crate::store::Store;

/// What the workers and the operators' service share. Clones are one.
#[derive(Clone)]
pub(crate) struct Desk {
    pub config: Arc<Config>,
    pub board: Board,
    pub feed: Feed,
    pub store: Store,
    pub clock: Clock,
    db: Db,
    brake: bool,
    sinks: Arc<Mutex<Option<Vec<Ready>>>>,
}

/// A sink, and the way into it.
#[derive(Clone)]
pub(crate) struct Ready {
    pub sink: Sink,
    pub gate: Gate,
}

impl Desk {
    pub(crate) fn new(config: Config, board: Board, deps: &Deps) -> Self {
        Desk {
            config: Arc::new(config),
            board,
            feed: Feed::new(deps.feed.clone()),
            store: Store::new(deps.db.clone()),
            clock: deps.clock.clone(),
            db: deps.db.clone(),
            brake: false,
            sinks: Arc::default(),
        }
    }

    pub(crate) fn with_brake(self, brake: bool) -> Self {
        Desk { brake, ..self }
    }

    /// The sinks, in the order of the configuration. They are made by whoever asks first: a command that tests a sink
    /// may find an exporter that doesn't work.
    pub(crate) fn ready(&self) -> Result<Vec<Ready>, Error> {
        let mut sinks = self.sinks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sinks) = &*sinks {
            return Ok(sinks.clone());
        }
        let make = |config: &crate::SinkConfig| {
            let context = Context {
                name: config.name().to_owned(),
                brake: self.brake,
                clock: self.clock.clone(),
                db: self.db.clone(),
            };
            let sink = config.target.sink(&context)?;
            let limits = match &sink {
                Sink::Changes(sink) => Some(sink.limits()),
                Sink::Snapshots(_) | Sink::Rows(_) => None,
            };
            let gate = Gate::new(config.name(), limits);
            Ok(Ready { sink, gate })
        };
        let made: Vec<_> = self
            .config
            .sinks
            .iter()
            .map(make)
            .collect::<Result<_, Error>>()?;
        *sinks = Some(made.clone());
        Ok(made)
    }
}

//! The way from the product to the simulator, without sockets: requests can be counted, held and lost.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use graph_sim::Sim;
use runtime::Clock;
use serde_json::Value;
use tokio::sync::watch;
use tower::ServiceExt as _;
use tower_http::decompression::Decompression;

/// The base of every URL; nothing listens there.
pub const BASE: &str = "http://graph-sim.localhost";

/// See the [module](self); clones are one.
#[derive(Clone)]
pub struct Network(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    requests: watch::Sender<u64>,
    held: watch::Sender<Option<String>>,
    /// Requests that wait now.
    waiting: watch::Sender<u64>,
}

struct State {
    sim: Sim,
    clock: Option<(Clock, u64)>,
    lost: u32,
}

impl Network {
    /// A network that reaches this simulator.
    pub fn new(sim: Sim) -> Self {
        Network(Arc::new(Inner {
            state: Mutex::new(State {
                sim,
                clock: None,
                lost: 0,
            }),
            requests: watch::Sender::new(0),
            held: watch::Sender::new(None),
            waiting: watch::Sender::new(0),
        }))
    }

    /// The simulator that is reached.
    pub fn sim(&self) -> Sim {
        self.state().sim.clone()
    }

    /// From now on another simulator answers.
    pub fn replace(&self, sim: Sim) {
        self.state().sim = sim;
        self.tick();
    }

    /// Simulated time is what this clock shows since `origin`, in microseconds.
    pub fn follow(&self, clock: Clock, origin: u64) {
        self.state().clock = Some((clock, origin));
    }

    /// Brings simulated time to what the clock shows.
    pub fn tick(&self) {
        let state = self.state();
        if let Some((clock, origin)) = &state.clock {
            let now = Duration::from_micros(clock.micros().saturating_sub(*origin));
            state.sim.tick(now.saturating_sub(state.sim.now()));
        }
    }

    /// The next requests get no answer.
    pub fn lose(&self, requests: u32) {
        self.state().lost = requests;
    }

    /// Requests so far.
    pub fn requests(&self) -> u64 {
        *self.0.requests.borrow()
    }

    /// Waits until there were so many requests.
    pub async fn reached(&self, requests: u64) {
        let mut seen = self.0.requests.subscribe();
        // The sender lives as long as `self`.
        let _ = seen.wait_for(|n| *n >= requests).await;
    }

    /// Requests whose path starts with this wait until [`release`](Self::release).
    pub fn hold(&self, path: &str) {
        self.0.held.send_replace(Some(path.to_owned()));
    }

    /// Lets waiting requests go on.
    pub fn release(&self) {
        self.0.held.send_replace(None);
    }

    /// Waits until a request waits.
    pub async fn holds(&self) {
        let mut waiting = self.0.waiting.subscribe();
        let _ = waiting.wait_for(|n| *n > 0).await;
    }

    /// The client that services are given.
    pub fn client(&self) -> runtime::http::Client {
        self.outbound().whole()
    }

    /// The way to it.
    pub fn outbound(&self) -> runtime::http::Outbound {
        let network = self.clone();
        let streaming = runtime::http::Streaming::new(tower::service_fn(move |request| {
            let network = network.clone();
            async move { network.send(request).await }
        }));
        streaming.into()
    }

    /// What the simulator answers, as JSON; none where it refuses.
    pub async fn get(&self, path: &str) -> Option<Value> {
        let request = http::Request::get(format!("{BASE}/{path}"));
        self.json(request.body(Bytes::new()).ok()?).await
    }

    /// The same with a body, `kind` is its type.
    pub async fn post(&self, path: &str, kind: &str, body: String) -> Option<Value> {
        let request = http::Request::post(format!("{BASE}/{path}")).header("content-type", kind);
        self.json(request.body(body.into()).ok()?).await
    }

    async fn json(&self, request: http::Request<Bytes>) -> Option<Value> {
        let answer = self.client().oneshot(request).await.ok()?;
        let good = answer.status().is_success();
        good.then(|| serde_json::from_slice(answer.body()).unwrap_or_default())
    }

    async fn send(
        &self,
        request: http::Request<Bytes>,
    ) -> Result<http::Response<runtime::http::Chunks>, runtime::http::BoxError> {
        self.0.requests.send_modify(|n| *n += 1);
        let mut held = self.0.held.subscribe();
        let path = request.uri().path().to_owned();
        let waits = |held: &Option<String>| held.as_ref().is_some_and(|p| path.starts_with(p));
        if waits(&held.borrow_and_update()) {
            self.0.waiting.send_modify(|n| *n += 1);
            held.wait_for(|h| !waits(h)).await?;
            self.0.waiting.send_modify(|n| *n -= 1);
        }
        self.tick();
        let router = {
            let mut state = self.state();
            if state.lost > 0 {
                state.lost -= 1;
                return Err("the network lost it".into());
            }
            state.sim.router()
        };
        // Asks for gzip, as the product's client does.
        let answer = Decompression::new(router)
            .oneshot(request.map(Body::from))
            .await?
            .map(Body::new);
        let (parts, body) = answer.into_parts();
        let chunks = body
            .into_data_stream()
            .map_err(runtime::http::BoxError::from);
        Ok(http::Response::from_parts(parts, chunks.boxed()))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

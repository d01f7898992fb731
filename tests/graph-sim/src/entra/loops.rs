//! Clients that ask for the same token again and again: Entra has enough of them at some point.
//!
//! Microsoft publishes no limit; where a simulation has one, it is what people saw who ran into it.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;

use super::ask::Ask;
use super::state::lock;
use crate::reply::Reply;
use crate::sealed::digest;
use crate::sim::Sim;

/// The body of the answer, which is no JSON.
pub(super) const TOO_MANY: &str = "Too Many Requests";
/// Seconds in which requests count.
const WINDOW: u64 = 10;
/// Seconds to wait, as the answer says.
const WAIT: u64 = 60;
/// So many different requests are remembered.
const MOST: usize = 10_000;

/// When equal requests came, and how many of them are too many.
#[derive(Default)]
pub(crate) struct Loops(Mutex<State>);

#[derive(Default)]
struct State {
    most: Option<u32>,
    came: HashMap<u64, Came>,
}

#[derive(Default)]
struct Came {
    at: VecDeque<u64>,
    closed_until: u64,
}

impl Loops {
    pub(crate) fn new(most: Option<u32>) -> Self {
        Self(Mutex::new(State {
            most,
            came: HashMap::new(),
        }))
    }
}

/// Whether there were too many requests like this one: of one client for one scope, whatever it shows.
pub(crate) fn repeats(ask: &Ask) -> bool {
    let mut state = lock(&ask.sim.entra().loops.0);
    let Some(most) = state.most else {
        return false;
    };
    if state.came.len() >= MOST {
        state.came.clear();
    }
    let part = |name| ask.field(name).unwrap_or_default();
    let name = format!(
        "{}\n{}\n{}\n{}",
        ask.tenant,
        part("client_id"),
        part("grant_type"),
        part("scope")
    );
    let now = ask.sim.now().as_secs();
    let came = state.came.entry(digest(&name)).or_default();
    if now < came.closed_until {
        return true;
    }
    came.at.retain(|at| at + WINDOW > now);
    came.at.push_back(now);
    let over = came.at.len() > most as usize;
    if over {
        came.at.clear();
        came.closed_until = now + WAIT;
    }
    over
}

/// 429 in plain text.
pub(crate) fn too_many() -> Reply {
    let mut reply = Reply::text(TOO_MANY.to_owned());
    reply.status = 429;
    reply.header("retry-after", WAIT.to_string())
}

impl Sim {
    /// Refuses with 429 from now on who asks for the same token more often than so within ten seconds; none: nobody.
    pub fn limit_tokens(&self, most: Option<u32>) {
        let mut state = lock(&self.entra().loops.0);
        state.most = most;
        state.came.clear();
    }
}

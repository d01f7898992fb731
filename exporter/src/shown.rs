//! What sinks lack of tenants, and which of them fail, for the metrics.

use std::collections::BTreeMap;

use runtime::error::code;
use runtime::metrics::sinks as metrics;
use runtime::metrics::tenants::watch;
use runtime::{CancellationToken, Clock};

use crate::board::{Board, State};

/// Shows it until `stop`.
pub(crate) async fn show(board: &Board, clock: &Clock, stop: &CancellationToken) {
    let look = || async {
        let (lags, failing) = board.read(|state| seen(state, clock.micros()));
        metrics::standings(lags, failing);
    };
    watch(stop, look).await;
}

type Lags = Vec<(String, String, f64)>;
type Failing = Vec<(String, String, u64)>;

fn seen(state: &State, now: u64) -> (Lags, Failing) {
    let (mut lags, mut failing) = (Lags::new(), BTreeMap::<(String, String), u64>::new());
    for sink in &state.sinks {
        for (tenant, standing) in &sink.tenants {
            if !state.heads.contains_key(tenant) {
                continue;
            }
            if let Some(oldest) = standing.oldest {
                let micros = now.saturating_sub(oldest.0);
                lags.push((tenant.to_string(), sink.name.clone(), micros as f64 / 1e6));
            }
            if let Some(problem) = &standing.problem {
                *failing
                    .entry((sink.name.clone(), code(problem).to_owned()))
                    .or_default() += 1;
            }
        }
    }
    let failing = failing.into_iter().map(|((sink, code), n)| (sink, code, n));
    (lags, failing.collect())
}

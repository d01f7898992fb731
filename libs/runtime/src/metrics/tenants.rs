//! The label `tenant`: there may be ten thousand, and a series for each would be too many.

use std::time::Duration;

use opentelemetry::KeyValue;
use tokio::time::Instant;

use crate::CancellationToken;

/// So many tenants have series of their own: those where the value is highest. Enough for an alert to name who is
/// concerned, few enough for any server of metrics.
pub const SHOWN: usize = 20;

/// The value of `tenant` for all the others.
pub const OTHER: &str = "other";

/// Looks at what all tenants are at until `stop`: often enough for an alert within a minute, and at most a twentieth of the
/// time.
pub async fn watch<F: Future<Output = ()>>(stop: &CancellationToken, mut look: impl FnMut() -> F) {
    loop {
        let began = Instant::now();
        look().await;
        let pause = tokio::time::sleep(OFTEN.max(began.elapsed() * 20));
        if stop.run_until_cancelled(pause).await.is_none() {
            return;
        }
    }
}

const OFTEN: Duration = Duration::from_secs(10);

/// The label.
pub(super) fn is(tenant: String) -> KeyValue {
    KeyValue::new("tenant", tenant)
}

/// The highest values with their tenants, and the highest of all others as `other`.
pub(super) fn worst(values: Vec<(String, f64)>) -> Vec<(Vec<KeyValue>, f64)> {
    let labelled = values
        .into_iter()
        .map(|(tenant, value)| (vec![is(tenant)], value));
    worst_of(labelled.collect())
}

/// As [`worst`], where there are more labels: `other` has only `tenant`.
pub(super) fn worst_of(mut values: Vec<(Vec<KeyValue>, f64)>) -> Vec<(Vec<KeyValue>, f64)> {
    values.sort_by(|a, b| b.1.total_cmp(&a.1));
    if let Some((_, rest)) = values.get(SHOWN).cloned() {
        values.truncate(SHOWN);
        values.push((vec![is(OTHER.to_owned())], rest));
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_have_series_and_the_rest_one() {
        let many = (0..50).map(|n| (format!("tenant-{n}"), f64::from(n)));
        let shown = worst(many.collect());
        assert_eq!(shown.len(), SHOWN + 1);
        assert_eq!(shown[0], (vec![is("tenant-49".to_owned())], 49.0));
        assert_eq!(shown[SHOWN], (vec![is(OTHER.to_owned())], 29.0));
        assert_eq!(worst(vec![("one".to_owned(), 1.0)]).len(), 1);
    }
}

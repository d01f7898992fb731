//! What the normalizer does.

use opentelemetry::KeyValue;

use super::instrument::instruments;
use super::{dataset_is, tenants};

instruments! {
    TAKEN: Counter = "leastwise.pages.taken", "{page}", ["dataset", "gap"],
        "Pages taken into the inbox; `gap` where one can't be used. Those that go on are worth a look.";
    ASIDE: Counter = "leastwise.objects.set_aside", "{object}", ["dataset"],
        "Objects that could not be read (`leastwise setaside list`). In numbers: Graph answers what this release doesn't know.";
    UNFAMILIAR: Counter = "leastwise.objects.unfamiliar", "{object}", ["dataset", "what", "name"],
        "Objects with something that this release doesn't know; they are taken all the same. `what` is `property` (Graph sent one that was not asked for), `value` (one that is not documented, as `property=value`), `column` (of a usage report, new) or `missing` (a documented column is not there); for the last two pages are counted. `name` is `other` where it doesn't look like a name, and for all that are beyond a hundred of a page. Findings may rest on values; a newer release may know more.";
    SEALED: Counter = "leastwise.objects.sealed", "{object}", ["dataset"],
        "Objects and ids of the runs that were closed, as their seals name them: one side of the conservation law.";
    SETTLED: Counter = "leastwise.objects.settled", "{object}", ["dataset", "outcome"],
        "What became of them: `applied` (it stands in the ledger), `superseded` (a later page of the run holds the same object), `set_aside`, `named` (an id that is gone or missing), `left_out` (about somebody who was erased), `gap` (on pages that never came or can't be used: read again), `not_applied` (the run is old, or builds on one that is lacking: read again). The sums of both sides are equal at every moment; a difference is a loss.";
    CLOSED: Counter = "leastwise.runs.closed", "{run}", ["dataset", "outcome"],
        "Runs closed in the ledger: `applied`, `old`, `needs full`.";
    VERDICTS: Counter = "leastwise.verdicts.published", "{message}", ["dataset"],
        "Verdicts that the queue has confirmed.";
    UNRECONCILED: Gauge = "leastwise.positions.unreconciled", "{position}", [],
        "Licence positions of all tenants whose residual is not explained, as of the last run of users or products that this process applied; where several share a database also every 15 seconds. After hours of it, `LW-5091` in the log names the product.";
    EXPIRED: Counter = "leastwise.ledger.expired", "{row}", ["table"],
        "Rows removed because their time was over.";
    PENDING: Table = "leastwise.tenant.pending", "s", ["tenant"],
        "Age of the oldest seal that is not applied yet, of the tenants where it is highest. As the ledger says, whoever asks.";
    HELD: Table = "leastwise.tenant.held", "{record}", ["tenant"],
        "Removals that the guard holds until somebody decides (`leastwise runs list --held`), of the tenants with the most. As the ledger says, whoever asks.";
    FAILING: Table = "leastwise.apply.failing", "{tenant}", ["tenant", "code"],
        "1 for a tenant of which this process can't apply a run at present, with the problem's code.";
}

/// A page was taken into the inbox; `gap` when it can't be used.
pub fn page_taken(dataset: &str, gap: bool) {
    TAKEN.add(1, &[dataset_is(dataset), KeyValue::new("gap", gap)]);
}

/// So many objects have something that this release doesn't know. `name` must be of a bounded number.
pub fn unfamiliar(dataset: &str, what: &str, name: &str, objects: u64) {
    let labels = [
        dataset_is(dataset),
        KeyValue::new("what", what.to_owned()),
        KeyValue::new("name", name.to_owned()),
    ];
    UNFAMILIAR.add(objects, &labels);
}

/// So many licence positions of all tenants are not reconciled with Microsoft's count.
pub fn unreconciled(positions: u64) {
    UNRECONCILED.is(positions as f64, &[]);
}

/// Objects on a page could not be read.
pub fn set_aside(dataset: &str, objects: u64) {
    if objects > 0 {
        ASIDE.add(objects, &[dataset_is(dataset)]);
    }
}

/// Rows of a table of the ledger's were removed because their time was over.
pub fn expired(table: &'static str, rows: u64) {
    EXPIRED.add(rows, &[KeyValue::new("table", table)]);
}

/// A run was closed in the ledger: applied, or not and why. Its seal names so many objects, and this became of them.
pub fn run_closed(
    dataset: &str,
    outcome: &'static str,
    sealed: u64,
    settled: impl IntoIterator<Item = (&'static str, u64)>,
) {
    let labels = [dataset_is(dataset), KeyValue::new("outcome", outcome)];
    CLOSED.add(1, &labels);
    SEALED.add(sealed, &[dataset_is(dataset)]);
    for (outcome, objects) in settled {
        let labels = [dataset_is(dataset), KeyValue::new("outcome", outcome)];
        SETTLED.add(objects, &labels);
    }
}

/// A verdict was published.
pub fn verdict_published(dataset: &str) {
    VERDICTS.add(1, &[dataset_is(dataset)]);
}

/// The ages in seconds of the oldest seals that wait, and the numbers of held removals, by tenant.
pub fn waiting(pending: Vec<(String, f64)>, held: Vec<(String, f64)>) {
    PENDING.put(tenants::worst(pending));
    HELD.put(tenants::worst(held));
}

/// Tenants of which runs can't be applied, with the problem's code.
pub fn failing(all: Vec<(String, String)>) {
    let row = |(tenant, code)| {
        let labels = vec![tenants::is(tenant), KeyValue::new("code", code)];
        (labels, 1.0)
    };
    FAILING.put(all.into_iter().take(tenants::SHOWN).map(row).collect());
}

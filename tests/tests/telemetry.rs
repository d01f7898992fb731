//! What services tell of themselves: the page that documents it, a trace from the token to the sink, and that objects are
//! accounted for.
//!
//! `LEASTWISE_WRITE_TELEMETRY=1 cargo test -p tests telemetry::` writes docs/telemetry.md anew.
#![allow(clippy::unwrap_used, reason = "the whole file is a test")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use runtime::metrics;
use runtime::trace::reference;
use tests::dev::Installation;
use tests::otlp::{Receiver, Seen, Span};

const WRITE: &str = "LEASTWISE_WRITE_TELEMETRY";
const HEAD: &str = include_str!("telemetry/head.md");
const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn the_page_says_what_the_code_does() {
    let mut page = HEAD.to_owned();
    for (process, instruments) in metrics::reference() {
        _ = write!(
            page,
            "\n## {process}\n\n| series | metric | unit | labels | |\n|---|---|---|---|---|\n"
        );
        for i in instruments {
            let labels: Vec<_> = i
                .labels
                .iter()
                .map(|l| format!("`{}`", l.replace('.', "_")))
                .collect();
            _ = writeln!(
                page,
                "| `{}` | {} `{}` | {} | {} | {} |",
                i.prometheus(),
                i.kind.name(),
                i.name,
                i.unit,
                labels.join(", "),
                i.what
            );
        }
    }
    page += "\n## Spans\n\n| span | kind | attributes | |\n|---|---|---|---|\n";
    for spans in reference::ALL {
        let attributes: Vec<_> = spans.attributes.iter().map(|a| format!("`{a}`")).collect();
        _ = writeln!(
            page,
            "| `{}` | {} | {} | {} |",
            spans.name,
            spans.kind,
            attributes.join(", "),
            spans.what
        );
    }
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/telemetry.md");
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page,
        "docs/telemetry.md is stale: `{WRITE}=1 cargo test -p tests telemetry::` writes it anew"
    );
}

/// The span of this id.
fn by_id<'a>(seen: &'a Seen, id: &str) -> Option<&'a Span> {
    seen.spans.iter().find(|s| s.id == id)
}

/// Whether a span is somewhere below another one.
fn is_below(seen: &Seen, span: &Span, above: &Span) -> bool {
    let mut next = by_id(seen, &span.parent);
    while let Some(span) = next {
        if span.id == above.id {
            return true;
        }
        next = by_id(seen, &span.parent);
    }
    false
}

/// One page from the token to the ledger in one trace, and its record from there to a sink, over links.
pub async fn a_page_and_its_record_can_be_followed(otlp: &Receiver) {
    otlp.until(LIMIT, followed).await.unwrap();
}

fn followed(seen: &Seen) -> Option<()> {
    let of = |service: &str, name: &str| {
        let (service, name) = (service.to_owned(), name.to_owned());
        seen.spans
            .iter()
            .filter(move |s| s.service == service && s.name.starts_with(&name))
    };
    // The collector's turn, in which it got a token, asked Graph and published a page.
    let (read, page) = of("collector", "read users").find_map(|read| {
        let page = of("collector", "send page.full").find(|s| is_below(seen, s, read))?;
        let asked = of("collector", "GET").find(|s| is_below(seen, s, read))?;
        let token = of("token-broker", "leastwise.token.v1.TokenService/GetToken")
            .find(|s| is_below(seen, s, read))?;
        assert_eq!((read.kind, page.kind), ("internal", "producer"));
        assert_eq!((asked.kind, token.kind), ("client", "server"));
        assert_eq!(asked.attribute("http.request.method"), "GET");
        Some((read, page))
    })?;
    assert!(read.parent.is_empty(), "{read:?}");
    let tenant = read.attribute("leastwise.tenant.id");
    assert_eq!(tenant.len(), 36, "{read:?}");
    // Entra ID was asked below somebody's request for a token.
    let entra = of("token-broker", "POST").next()?;
    assert!(!entra.parent.is_empty(), "{entra:?}");

    // The page in the normalizer, and the run that it belongs to.
    let taken = of("normalizer", "process page.full").find(|s| s.parent == page.id)?;
    assert_eq!(taken.kind, "consumer");
    assert_eq!(taken.links, [(page.trace.clone(), page.id.clone())]);
    assert_eq!(taken.attribute("leastwise.tenant.id"), tenant);
    let applied = of("normalizer", "apply users").find(|s| s.trace == read.trace)?;
    let last = by_id(seen, &applied.parent)?;
    assert!(last.name.starts_with("process "), "{last:?}");
    assert_eq!(applied.links, [(last.trace.clone(), last.id.clone())]);
    of("normalizer", "transaction").find(|s| s.parent == applied.id)?;
    // Its verdict comes back, and its closing goes on.
    let verdict = of("collector", "process verdict").find(|s| s.trace == read.trace)?;
    assert!(!verdict.links.is_empty());
    let told = of("exporter", "process closing").find(|s| s.trace == read.trace)?;
    assert_eq!(told.attribute("leastwise.tenant.id"), tenant);

    // What was delivered because of an announcement: the feed was asked below it.
    let announced = |s: &&Span| {
        let to = |(_, id): &(String, String)| {
            by_id(seen, id).is_some_and(|s| s.name == "process closing")
        };
        s.links.iter().any(to)
    };
    let (delivered, feed) = of("exporter", "deliver postgres")
        .filter(announced)
        .find_map(|s| {
            let feed =
                of("normalizer", "leastwise.feed.v1.Feed/").find(|f| is_below(seen, f, s))?;
            Some((s, feed))
        })?;
    assert_eq!(delivered.attribute("leastwise.tenant.id"), tenant);
    assert_eq!(delivered.attribute("leastwise.sink"), "postgres");
    assert_eq!((feed.kind, &feed.trace), ("server", &delivered.trace));
    seen.metrics
        .iter()
        .find(|m| *m == "leastwise.records.delivered")
        .map(drop)
}

/// The reference lists each span with its kind and attributes, and each metric; nothing of a query is in any.
pub fn nothing_is_told_that_is_not_listed(seen: &Seen) {
    for span in &seen.spans {
        let listed = reference::find(&span.name);
        let listed = listed.unwrap_or_else(|| panic!("{span:?} is not listed"));
        assert_eq!(listed.kind, span.kind, "{span:?}");
        for (key, value) in &span.attributes {
            let known = listed.attributes.contains(&key.as_str());
            assert!(
                known || key == "error.type",
                "{key} of {span:?} is not listed"
            );
            let query = ["?", "$filter", "@"].iter().any(|q| value.contains(q));
            assert!(!query, "{key} of {span:?}");
        }
    }
    let listed = metrics::reference();
    let listed: Vec<_> = listed
        .iter()
        .flat_map(|(_, all)| all)
        .map(|i| i.name)
        .collect();
    for metric in &seen.metrics {
        assert!(listed.contains(&metric.as_str()), "{metric} is not listed");
    }
}

/// Both sides of the conservation law, by dataset.
pub fn what_was_read_is_accounted_for(it: &Installation) {
    let page = it.of("normalizer").get("/metrics").unwrap();
    let mut sums = BTreeMap::<&str, (u64, u64)>::new();
    for line in page.lines().filter(|l| !l.starts_with('#')) {
        let Some((_, rest)) = line.split_once("dataset=\"") else {
            continue;
        };
        let (dataset, rest) = rest.split_once('"').unwrap();
        let n = || rest.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap();
        let (sealed, settled) = sums.entry(dataset).or_default();
        if line.starts_with("leastwise_objects_sealed_total{") {
            *sealed += n();
        } else if line.starts_with("leastwise_objects_settled_total{") {
            *settled += n();
        }
    }
    assert!(sums["users"].0 >= 60, "{sums:?}");
    for (dataset, (sealed, settled)) in sums {
        assert_eq!(sealed, settled, "{dataset} in {page}");
    }
}

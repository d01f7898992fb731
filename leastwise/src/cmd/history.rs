//! `leastwise history`: what changed when of a record.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::Args;
use proto::admin::v1::{HistoryRequest, RecordHistory};
use proto::kind::RecordKind;
use runtime::clock::rfc3339;
use runtime::{Clock, Problem};

use crate::ask::{Ledger, Products, ask};
use crate::changed::{OF_ONE, Of, Row, rows, shown};
use crate::cli::{Format, Output};
use crate::config::Source;
use crate::connect::refused;
use crate::output::{self, printable, table};
use crate::since;

/// What changed when of a record: fields, from what to what, by which run, and the request to Graph that said so.
///
/// Removals and what came back are shown too. Kinds of which every reading changes nearly every record (usage, sign-in
/// activity, Intune's devices and programs) have no history. docs/retention.md says how long it is kept.
#[derive(Args)]
pub struct History {
    /// Kind of the record, for example user, subscribed_sku or finding; `position` for licence positions.
    kind: String,
    /// Its key: Graph's id of the object; of products and positions the part number, for example SPE_E5, or the GUID.
    key: String,
    #[command(flatten)]
    output: Output,
    /// Only since then: a weekday, a day (2026-11-23), a time in RFC 3339, or how long ago (7d, 12h). Days are UTC.
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// How many changes, the newest.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
    /// Of this tenant only: its directory (tenant) id or its configured name.
    #[arg(long, value_name = "TENANT")]
    tenant: Option<String>,
}

impl History {
    /// Prints it.
    ///
    /// # Errors
    /// When the services can't be reached, or there is no such record.
    pub async fn run(self, source: &Source) -> Result<ExitCode, Problem> {
        let since = match &self.since {
            Some(text) => since::moment(text, Clock::system().micros())?,
            None => 0,
        };
        let answer = async |ledger: Ledger| {
            let mut admin = ledger.admin;
            let tenant_id = match (&self.tenant, ledger.tenants.first()) {
                (None, _) => String::new(),
                (Some(_), Some(tenant)) => tenant.id.clone(),
                (Some(other), None) => other.clone(),
            };
            let request = HistoryRequest {
                tenant_id,
                kind: self.kind().to_owned(),
                key: self.key(&ledger.products),
                since,
                limit: self.limit,
            };
            let told = admin.history(request).await.map_err(refused)?;
            self.print(&told.into_inner().records, &ledger.products)
        };
        ask(source, self.tenant.as_deref(), answer).await
    }

    fn kind(&self) -> &str {
        match self.kind.as_str() {
            "position" => RecordKind::LicensePosition.name(),
            kind => kind,
        }
    }

    fn key(&self, products: &Products) -> String {
        let of_products = [RecordKind::LicensePosition, RecordKind::SubscribedSku];
        match of_products.iter().any(|kind| kind.name() == self.kind()) {
            // One that no tenant has any more goes by its GUID.
            true => products
                .find(&self.key)
                .unwrap_or_else(|_| self.key.to_lowercase()),
            false => self.key.clone(),
        }
    }

    fn print(&self, records: &[RecordHistory], products: &Products) -> Result<(), Problem> {
        match self.output.output {
            Format::Json => output::print(records, &[], Format::Json),
            Format::Csv => {
                let all: Vec<Row> = records.iter().flat_map(all_rows).collect();
                output::print(&all, &OF_ONE, Format::Csv)
            }
            Format::Table => {
                let pages = records.iter().map(|r| page(r, products));
                output::write(&pages.collect::<Vec<_>>().join("\n"))
            }
        }
    }
}

fn all_rows(record: &RecordHistory) -> Vec<Row> {
    let of = Of {
        tenant_id: &record.tenant_id,
        kind: &record.kind,
        key: &record.key,
        name: &record.name,
    };
    record.changes.iter().flat_map(|c| rows(of, c)).collect()
}

/// The page about a record.
fn page(record: &RecordHistory, products: &Products) -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: &str| {
        // Writing to a string doesn't fail.
        _ = writeln!(out, "{name:<11}{}", printable(value));
    };
    line("Record", &format!("{} {}", record.kind, record.key));
    if !record.name.is_empty() {
        line("Name", &record.name);
    }
    line("Tenant", &record.tenant_id);
    out.push('\n');
    match record.changes.is_empty() {
        true => out.push_str("Nothing that is known changed.\n"),
        false => out.push_str(&table(&shown(&all_rows(record), products), &OF_ONE)),
    }
    if record.more {
        out.push_str("There are older changes: --limit shows more.\n");
    }
    if !record.kept {
        _ = writeln!(
            out,
            "What records of kind {} were before is not kept: only the last change is known.",
            record.kind
        );
    } else if record.known_from > 0 {
        _ = writeln!(
            out,
            "What changed before {} is not known: it is no longer kept, or an earlier release did not keep it.",
            rfc3339(record.known_from)
        );
    }
    out
}

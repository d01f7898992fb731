//! `leastwise changes`: how the inventory differs from what it was.

use std::process::ExitCode;

use clap::Args;
use proto::admin::v1::{ChangesRequest, ChangesResponse, KindChanges};
use runtime::clock::rfc3339;
use runtime::{Clock, Problem};
use serde::Serialize;

use crate::ask::{Ledger, Products, ask};
use crate::changed::{OF_MANY, Of, Row, rows, shown};
use crate::cli::{Format, Output};
use crate::config::Source;
use crate::connect::refused;
use crate::ledger::Tenant;
use crate::output::{self, Column, table, thousands};
use crate::since;

/// How the inventory differs from what it was at a moment: records added, changed and removed, with the fields that
/// differ.
///
/// The table counts by kind and then shows records, the last changed first. What changed and changed back is no
/// difference. Kinds of which every reading changes nearly every record are counted only.
#[derive(Args)]
pub struct Changes {
    /// Since when: a weekday (Monday), a day (2026-11-23), a time in RFC 3339, or how long ago (7d, 12h). Days are UTC.
    #[arg(long, value_name = "WHEN")]
    since: String,
    /// Of this kind only, for example user or license_position.
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// How many records are shown.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
    #[command(flatten)]
    output: Output,
    /// Of this tenant only: its directory (tenant) id or its configured name.
    #[arg(long, value_name = "TENANT")]
    tenant: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OfTenant {
    tenant_id: String,
    #[serde(flatten)]
    answer: ChangesResponse,
}

impl Changes {
    /// Prints them.
    ///
    /// # Errors
    /// When the services can't be reached, or the moment or the kind is none.
    pub async fn run(self, source: &Source) -> Result<ExitCode, Problem> {
        let since = since::moment(&self.since, Clock::system().micros())?;
        let answer = async |ledger: Ledger| {
            let mut admin = ledger.admin;
            let mut answers = Vec::new();
            for tenant in &ledger.tenants {
                let request = ChangesRequest {
                    tenant_id: tenant.id.clone(),
                    since,
                    kind: match self.kind.as_deref() {
                        Some("position") => "license_position".to_owned(),
                        kind => kind.unwrap_or_default().to_owned(),
                    },
                    limit: self.limit,
                };
                let answer = admin.changes(request).await.map_err(refused)?;
                answers.push(OfTenant {
                    tenant_id: tenant.id.clone(),
                    answer: answer.into_inner(),
                });
            }
            self.print(&answers, since, &ledger.tenants, &ledger.products)
        };
        ask(source, self.tenant.as_deref(), answer).await
    }

    fn print(
        &self,
        answers: &[OfTenant],
        wanted: u64,
        tenants: &[Tenant],
        products: &Products,
    ) -> Result<(), Problem> {
        match self.output.output {
            Format::Json => return output::print(answers, &[], Format::Json),
            Format::Csv => {
                let all: Vec<Row> = answers.iter().flat_map(all_rows).collect();
                return output::print(&all, &OF_MANY, Format::Csv);
            }
            Format::Table => {}
        }
        for (tenant, of) in tenants.iter().zip(answers) {
            if tenants.len() > 1 {
                output::write(&format!("\n{}\n", tenant.name))?;
            }
            output::write(&page(of, wanted, products))?;
        }
        Ok(())
    }
}

const KINDS: [Column<KindChanges>; 5] = [
    Column {
        title: "Kind",
        numeric: false,
        cell: |k| k.kind.clone(),
    },
    Column {
        title: "Added",
        numeric: true,
        cell: |k| thousands(k.added),
    },
    Column {
        title: "Changed",
        numeric: true,
        cell: |k| thousands(k.changed),
    },
    Column {
        title: "Removed",
        numeric: true,
        cell: |k| thousands(k.removed),
    },
    Column {
        title: "Added or changed",
        numeric: true,
        cell: |k| match k.written {
            0 => String::new(),
            n => thousands(n),
        },
    },
];

fn all_rows(of: &OfTenant) -> Vec<Row> {
    let mut all = Vec::new();
    for record in &of.answer.records {
        let whose = Of {
            tenant_id: &of.tenant_id,
            kind: &record.kind,
            key: &record.key,
            name: &record.name,
        };
        if let Some(change) = &record.change {
            all.append(&mut rows(whose, change));
        }
    }
    all
}

fn page(of: &OfTenant, wanted: u64, products: &Products) -> String {
    let ChangesResponse {
        since, kinds, more, ..
    } = &of.answer;
    let mut out = format!("Since {}", rfc3339(*since));
    out.push_str(match *since > wanted {
        true => "; what changed before is not known: it is no longer kept, or an earlier release did not keep it\n\n",
        false => "\n\n",
    });
    if kinds.is_empty() {
        out.push_str("Nothing is otherwise than it was.\n");
        return out;
    }
    out.push_str(&table(kinds, &KINDS));
    let all = all_rows(of);
    if !all.is_empty() {
        out.push('\n');
        out.push_str(&table(&shown(&all, products), &OF_MANY));
    }
    if *more {
        out.push_str("There are more: --limit, or --kind.\n");
    }
    out
}

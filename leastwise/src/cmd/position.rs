//! `leastwise position`: the licence position, from the ledger.

mod by;
mod trend;

use std::process::ExitCode;

use clap::Args;
use proto::inventory::v1::LicensePosition;
use proto::kind::RecordKind;
use runtime::Problem;
use runtime::grpc::Channel;

use crate::ask::{Ledger, ask};
use crate::cli::{Format, Output};
use crate::config::Source;
use crate::ledger::{self, Tenant};
use crate::output::{self, Column, thousands};

/// The licence position: what there is, what is used, how, and what is left.
///
/// With --trend it is shown day by day, with --by for each value of a property of the users.
#[derive(Args)]
pub struct Position {
    /// Of this product only: its part number, for example SPE_E5, or its GUID.
    sku: Option<String>,
    #[command(flatten)]
    output: Output,
    /// As it was at the end of each day (UTC).
    #[arg(long)]
    trend: bool,
    /// How many days, today included.
    #[arg(long, requires = "trend", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=400))]
    days: u32,
    /// For each value of a property of the users, for example department, country or companyName.
    #[arg(long, value_name = "PROPERTY", conflicts_with = "trend")]
    by: Option<String>,
    /// Of this tenant only: its directory (tenant) id or its configured name.
    #[arg(long, value_name = "TENANT")]
    tenant: Option<String>,
}

impl Position {
    /// Prints the position of every tenant.
    ///
    /// # Errors
    /// When the ledger can't be asked, or there is no such product or property.
    pub async fn run(self, source: &Source) -> Result<ExitCode, Problem> {
        let format = self.output.output;
        let answer = async |mut ledger: Ledger| {
            let sku_id = match &self.sku {
                Some(sku) => ledger.products.find(sku)?,
                None => String::new(),
            };
            if ledger.products.0.is_empty() && format == Format::Table {
                return output::write(
                    "There is no position yet: `leastwise sync` reads the tenants.\n",
                );
            }
            if let Some(property) = &self.by {
                return by::run(ledger, property, &sku_id, format).await;
            }
            if self.trend {
                return trend::run(ledger, self.days, &sku_id, format).await;
            }
            let positions = &mut ledger.products.0;
            positions.retain(|p| sku_id.is_empty() || p.sku_id == sku_id);
            print(&ledger.tenants, positions, format)
        };
        ask(source, self.tenant.as_deref(), answer).await
    }
}

/// The positions of these tenants, the most used products first.
pub async fn read(tenants: &[Tenant], feed: Channel) -> Result<Vec<LicensePosition>, Problem> {
    let mut positions = Vec::new();
    for tenant in tenants {
        let kind = RecordKind::LicensePosition;
        let mut found = ledger::records(tenant, kind, feed.clone(), |_| true).await?;
        found.sort_by(|a: &LicensePosition, b| {
            b.assigned
                .cmp(&a.assigned)
                .then_with(|| a.product_name.cmp(&b.product_name))
        });
        positions.append(&mut found);
    }
    Ok(positions)
}

/// Kinds whose units nobody pays for one by one: their numbers say nothing of money.
const APART: [&str; 3] = ["free", "trial", "company_wide"];

const COLUMNS: [Column<LicensePosition>; 10] = [
    Column {
        title: "Product",
        numeric: false,
        cell: product,
    },
    Column {
        title: "SKU",
        numeric: false,
        cell: |p| p.sku_part_number.clone(),
    },
    Column {
        title: "Kind",
        numeric: false,
        cell: |p| p.kind.replace('_', " "),
    },
    Column {
        title: "Provisioned",
        numeric: true,
        cell: |p| thousands(p.provisioned),
    },
    Column {
        title: "Assigned",
        numeric: true,
        cell: |p| thousands(p.assigned),
    },
    Column {
        title: "Direct",
        numeric: true,
        cell: |p| thousands(p.direct),
    },
    Column {
        title: "By group",
        numeric: true,
        cell: |p| thousands(p.by_group),
    },
    Column {
        title: "In error",
        numeric: true,
        cell: |p| thousands(p.in_error),
    },
    Column {
        title: "Available",
        numeric: true,
        cell: |p| thousands(p.available),
    },
    Column {
        title: "Note",
        numeric: false,
        cell: note,
    },
];

/// Prints positions; as a table, one for each tenant, and below it one of what is free, a trial or for the whole company.
pub fn print(
    tenants: &[Tenant],
    positions: &[LicensePosition],
    format: Format,
) -> Result<(), Problem> {
    if format != Format::Table {
        return output::print(positions, &COLUMNS, format);
    }
    for tenant in tenants {
        let of_it = positions.iter().filter(|p| p.tenant_id == tenant.id);
        let (apart, rows): (Vec<_>, Vec<_>) = of_it
            .cloned()
            .partition(|p| APART.contains(&p.kind.as_str()));
        if tenants.len() > 1 {
            output::write(&format!("\n{}\n", tenant.name))?;
        }
        output::print(&rows, &COLUMNS, format)?;
        if !apart.is_empty() {
            output::write("\nFree, trial, or for the whole company\n\n")?;
            output::print(&apart, &COLUMNS, format)?;
        }
        output::write("\n")?;
    }
    output::write(
        "Assigned: users that consume a unit, each once. Direct and by group overlap where a user has both. \
         In error: users whose assignment failed; it consumes nothing.\n",
    )
}

fn product(p: &LicensePosition) -> String {
    let name = if p.product_name.is_empty() {
        &p.sku_id
    } else {
        &p.product_name
    };
    name.chars().take(48).collect()
}

fn note(p: &LicensePosition) -> String {
    let mut notes = Vec::new();
    if p.available < 0 {
        notes.push("more assigned than provisioned".to_owned());
    }
    if !p.reconciled {
        let (counts, left) = (thousands(p.consumed_units), thousands(p.unexplained));
        notes.push(format!("Microsoft counts {counts}, {left} unexplained"));
    }
    if p.with_disabled_plans > 0 {
        let users = thousands(p.with_disabled_plans);
        notes.push(format!("{users} with a plan switched off"));
    }
    if p.warning > 0 {
        notes.push(format!("{} in grace", thousands(p.warning)));
    }
    if p.suspended > 0 {
        notes.push(format!("{} suspended", thousands(p.suspended)));
    }
    notes.join(", ")
}

//! `leastwise holders`: who holds a product, and by which ways.

use std::process::ExitCode;

use clap::Args;
use proto::admin::v1::{HoldersRequest, LicenseHolder};
use runtime::Problem;
use serde::Serialize;

use crate::ask::{Ledger, ask};
use crate::cli::{Format, Output};
use crate::config::Source;
use crate::connect::refused;
use crate::output::{self, Column, thousands};
use crate::rows::{Form, Rows};

/// Who holds a product: one row for each user and way by which it was assigned, directly or by a group.
///
/// JSON and CSV hold all of them, however many; the table shows the first ones.
#[derive(Args)]
pub struct Holders {
    /// The product: its part number, for example SPE_E5, or its GUID.
    sku: String,
    /// Only those who have it by this group: its id, or its name where groups are read.
    #[arg(long, value_name = "GROUP")]
    group: Option<String>,
    /// Those whose assignment fails instead, and why. Such an assignment consumes nothing.
    #[arg(long)]
    in_error: bool,
    /// Only those who hold this product too, and by which ways they do.
    #[arg(long, value_name = "SKU")]
    also: Option<String>,
    /// How many rows the table shows.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
    #[command(flatten)]
    output: Output,
    /// Of this tenant only: its directory (tenant) id or its configured name.
    #[arg(long, value_name = "TENANT")]
    tenant: Option<String>,
}

/// A user and a way.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    tenant_id: String,
    #[serde(flatten)]
    holder: LicenseHolder,
}

/// What has come.
struct Came {
    rows: u64,
    users: u64,
    last: (String, String),
    /// The first ones, for the table.
    shown: Vec<Row>,
}

impl Holders {
    /// Prints them.
    ///
    /// # Errors
    /// When the services can't be reached, or no tenant has the product.
    pub async fn run(self, source: &Source) -> Result<ExitCode, Problem> {
        let answer = async |mut ledger: Ledger| {
            let sku_id = ledger.products.find(&self.sku)?;
            let also_sku_id = match &self.also {
                Some(sku) => ledger.products.find(sku)?,
                None => String::new(),
            };
            let mut rows = match self.output.output {
                Format::Table => None,
                Format::Json => Some(Rows::new(Form::Json)),
                Format::Csv => Some(Rows::new(Form::Csv)),
            };
            let mut came = Came {
                rows: 0,
                users: 0,
                last: Default::default(),
                shown: Vec::new(),
            };
            for tenant in &ledger.tenants {
                let request = HoldersRequest {
                    tenant_id: tenant.id.clone(),
                    sku_id: sku_id.clone(),
                    group: self.group.clone().unwrap_or_default(),
                    in_error: self.in_error,
                    also_sku_id: also_sku_id.clone(),
                };
                let batches = ledger.admin.holders(request).await.map_err(refused)?;
                let mut batches = batches.into_inner();
                while let Some(batch) = batches.message().await.map_err(refused)? {
                    let batch = batch.holders.into_iter().map(|holder| Row {
                        tenant_id: tenant.id.clone(),
                        holder,
                    });
                    let batch: Vec<Row> = batch.collect();
                    came.count(&batch);
                    match &mut rows {
                        Some(rows) => rows.print(&batch)?,
                        None => {
                            let room = self.limit as usize - came.shown.len();
                            came.shown.extend(batch.into_iter().take(room));
                        }
                    }
                }
            }
            match rows {
                Some(rows) => rows.end(),
                None => self.table(&came),
            }
        };
        ask(source, self.tenant.as_deref(), answer).await
    }

    fn table(&self, came: &Came) -> Result<(), Problem> {
        let mut columns = Vec::from(COLUMNS);
        if self.in_error {
            columns.push(ERROR);
        }
        if self.also.is_some() {
            columns.push(ALSO);
        }
        if came.rows > 0 {
            output::write(&output::table(&came.shown, &columns))?;
        }
        let more = came.rows - came.shown.len() as u64;
        let more = match more {
            0 => String::new(),
            n => format!(
                ", of which {} are not shown: --limit, or --output csv",
                thousands(n)
            ),
        };
        output::write(&format!(
            "{} users by {} ways{more}.\n",
            thousands(came.users),
            thousands(came.rows)
        ))
    }
}

impl Came {
    fn count(&mut self, batch: &[Row]) {
        for row in batch {
            self.rows += 1;
            let this = (&row.tenant_id, &row.holder.user_id);
            if this != (&self.last.0, &self.last.1) {
                self.users += 1;
                self.last = (row.tenant_id.clone(), row.holder.user_id.clone());
            }
        }
    }
}

macro_rules! column {
    ($title:literal, $cell:expr) => {
        Column {
            title: $title,
            numeric: false,
            cell: $cell,
        }
    };
}

const COLUMNS: [Column<Row>; 6] = [
    column!("User", |r| {
        let name = r.holder.display_name.clone().unwrap_or_default();
        name.chars().take(32).collect()
    }),
    column!("Sign-in name", |r| r
        .holder
        .user_principal_name
        .clone()
        .unwrap_or_default()),
    column!("Sign-in", |r| match r.holder.account_enabled {
        Some(false) => "blocked".to_owned(),
        _ => String::new(),
    }),
    column!("Way", |r| r.holder.path.clone()),
    column!("Group", |r| match r.holder.group_name.as_str() {
        "" => r.holder.group_id.clone().unwrap_or_default(),
        name => name.chars().take(48).collect(),
    }),
    column!("State", |r| r.holder.state.clone().unwrap_or_default()),
];

const ERROR: Column<Row> = column!("Error", |r| r.holder.error.clone().unwrap_or_default());

const ALSO: Column<Row> = column!("Other product by", |r| r.holder.also_by.join(", "));

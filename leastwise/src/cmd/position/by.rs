//! Positions by the values of a property of users.

use proto::admin::v1::{BreakdownRequest, BreakdownRow};
use runtime::Problem;
use serde::Serialize;

use crate::ask::{Ledger, Products};
use crate::cli::Format;
use crate::connect::refused;
use crate::output::{self, Column, thousands};

/// Users of a product with one value of the property.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    tenant_id: String,
    sku_part_number: String,
    property: String,
    #[serde(flatten)]
    row: BreakdownRow,
}

/// Prints them.
pub async fn run(
    mut ledger: Ledger,
    property: &str,
    sku_id: &str,
    format: Format,
) -> Result<(), Problem> {
    let mut all = Vec::new();
    let several = ledger.tenants.len() > 1;
    for tenant in &ledger.tenants {
        let request = BreakdownRequest {
            tenant_id: tenant.id.clone(),
            property: property.to_owned(),
            sku_id: sku_id.to_owned(),
        };
        let answer = ledger.admin.breakdown(request).await.map_err(refused)?;
        let answer = answer.into_inner();
        let of_tenant = answer.rows.into_iter().map(|row| Row {
            tenant_id: tenant.id.clone(),
            sku_part_number: ledger.products.part(&row.sku_id).to_owned(),
            property: answer.property.clone(),
            row,
        });
        let mut rows: Vec<Row> = of_tenant.collect();
        sort(&mut rows, &ledger.products);
        if format != Format::Table {
            all.append(&mut rows);
            continue;
        }
        if several {
            output::write(&format!("\n{}\n", tenant.name))?;
        }
        output::write(&output::table(&rows, &COLUMNS))?;
    }
    match format {
        Format::Table => output::write(&format!(
            "By {property}; (none): users without it. The numbers of a product add up to its position. Blocked: assigned \
             users whose sign-in is blocked.\n"
        )),
        format => output::print(&all, &COLUMNS, format),
    }
}

/// The most used products first, as the position shows them, and of each the most frequent values.
fn sort(rows: &mut [Row], products: &Products) {
    let place = |sku: &str| products.0.iter().position(|p| p.sku_id == sku);
    rows.sort_by_cached_key(|r| {
        let place = place(&r.row.sku_id).unwrap_or(usize::MAX);
        let most = std::cmp::Reverse(r.row.assigned);
        (place, r.row.sku_id.clone(), most, r.row.value.clone())
    });
}

const COLUMNS: [Column<Row>; 7] = [
    Column {
        title: "SKU",
        numeric: false,
        cell: |r| r.sku_part_number.clone(),
    },
    Column {
        title: "Value",
        numeric: false,
        cell: |r| match &r.row.value {
            Some(value) => value.chars().take(48).collect(),
            None => "(none)".to_owned(),
        },
    },
    Column {
        title: "Assigned",
        numeric: true,
        cell: |r| thousands(r.row.assigned),
    },
    Column {
        title: "Direct",
        numeric: true,
        cell: |r| thousands(r.row.direct),
    },
    Column {
        title: "By group",
        numeric: true,
        cell: |r| thousands(r.row.by_group),
    },
    Column {
        title: "In error",
        numeric: true,
        cell: |r| thousands(r.row.in_error),
    },
    Column {
        title: "Blocked",
        numeric: true,
        cell: |r| thousands(r.row.assigned_blocked),
    },
];

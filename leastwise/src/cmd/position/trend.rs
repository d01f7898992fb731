//! Positions day by day.

use proto::admin::v1::{TrendPoint, TrendRequest};
use proto::inventory::v1::LicensePosition;
use runtime::Problem;
use runtime::clock::rfc3339;
use serde::Serialize;

use crate::ask::Ledger;
use crate::cli::Format;
use crate::connect::refused;
use crate::output::{self, Column, thousands};

/// A product on a day.
#[derive(Serialize)]
struct Row {
    day: String,
    #[serde(flatten)]
    position: LicensePosition,
    /// More or fewer assigned users than on the day before; absent on the first one.
    #[serde(rename = "assignedChange")]
    change: Option<i32>,
}

/// Prints them.
pub async fn run(
    mut ledger: Ledger,
    days: u32,
    sku_id: &str,
    format: Format,
) -> Result<(), Problem> {
    let mut all = Vec::new();
    let several = ledger.tenants.len() > 1;
    for tenant in &ledger.tenants {
        let request = TrendRequest {
            tenant_id: tenant.id.clone(),
            days,
            sku_id: sku_id.to_owned(),
        };
        let trend = ledger.admin.trend(request).await.map_err(refused)?;
        let trend = trend.into_inner();
        let rows = rows(trend.points);
        if format != Format::Table {
            all.extend(rows);
            continue;
        }
        if several {
            output::write(&format!("\n{}\n", tenant.name))?;
        }
        output::write(&output::table(&rows, &COLUMNS))?;
        if trend.known_from > 0 {
            output::write(&format!(
                "Before {} only that is known which is still so: the history begins there.\n",
                rfc3339(trend.known_from)
            ))?;
        }
    }
    match format {
        Format::Table => output::write(
            "A day (UTC) shows the last position of it; days on which nothing changed repeat the last one. Before a \
             product's first day here it was not read, or the tenant had none of it.\n",
        ),
        format => output::print(&all, &COLUMNS, format),
    }
}

/// In the order of products and days.
fn rows(points: Vec<TrendPoint>) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::with_capacity(points.len());
    for TrendPoint { day, position } in points {
        let position = position.unwrap_or_default();
        let before = rows.last().map(|r| &r.position);
        let before = before.filter(|p| p.sku_id == position.sku_id);
        let change = before.map(|p| position.assigned - p.assigned);
        rows.push(Row {
            day,
            position,
            change,
        });
    }
    rows
}

const COLUMNS: [Column<Row>; 7] = [
    Column {
        title: "SKU",
        numeric: false,
        cell: |r| match r.position.sku_part_number.as_str() {
            "" => r.position.sku_id.clone(),
            part => part.to_owned(),
        },
    },
    Column {
        title: "Day",
        numeric: false,
        cell: |r| r.day.clone(),
    },
    Column {
        title: "Provisioned",
        numeric: true,
        cell: |r| thousands(r.position.provisioned),
    },
    Column {
        title: "Assigned",
        numeric: true,
        cell: |r| thousands(r.position.assigned),
    },
    Column {
        title: "Change",
        numeric: true,
        cell: |r| match r.change {
            None | Some(0) => String::new(),
            Some(n) if n > 0 => format!("+{}", thousands(n)),
            Some(n) => thousands(n),
        },
    },
    Column {
        title: "In error",
        numeric: true,
        cell: |r| thousands(r.position.in_error),
    },
    Column {
        title: "Available",
        numeric: true,
        cell: |r| thousands(r.position.available),
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_compared_with_the_one_before_of_the_same_product() {
        let point = |sku: &str, assigned| TrendPoint {
            day: "2026-11-23".into(),
            position: Some(LicensePosition {
                sku_id: sku.into(),
                assigned,
                ..LicensePosition::default()
            }),
        };
        let rows = rows(vec![point("a", 5), point("a", 3), point("b", 9)]);
        let changes: Vec<_> = rows.iter().map(|r| r.change).collect();
        assert_eq!(changes, [None, Some(-2), None]);
        let json = serde_json::to_value(&rows[1]).unwrap();
        assert_eq!(
            (&json["assigned"], &json["assignedChange"]),
            (&3.into(), &(-2).into())
        );
    }
}

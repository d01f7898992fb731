//! `leastwise why`: where a record, or a number, comes from.

mod reconciliation;

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::Args;
use proto::admin::v1::normalizer_admin_client::NormalizerAdminClient;
use proto::admin::v1::{AssignmentWay, ExplainRequest, Explained, Origin};
use proto::inventory::v1::LicensePosition;
use proto::kind::RecordKind;
use runtime::Problem;
use runtime::clock::rfc3339;

use crate::cli::{Format, Output};
use crate::cmd::position;
use crate::config::Source;
use crate::connect::{Services, refused};
use crate::ledger;
use crate::output::{self, Column, printable, table, thousands};

/// Where a record, or a number, comes from: the run, the page and the request of the answer that last changed it.
///
/// A position is shown with the arithmetic behind its numbers, what explains that Microsoft counts otherwise, the product's
/// record and the ways by which users hold it; a finding with the records that show it. A `request-id` is what Microsoft's support finds an answer by.
#[derive(Args)]
pub struct Why {
    /// Kind of the record, for example user, subscribed_sku or finding; `position` for licence positions.
    kind: String,
    /// Its key: Graph's id of the object; of products and positions the part number, for example SPE_E5, or the GUID.
    key: String,
    #[command(flatten)]
    output: Output,
    /// Of this tenant only: its directory (tenant) id or its configured name.
    #[arg(long, value_name = "TENANT")]
    tenant: Option<String>,
    /// Of each reason why Microsoft counts otherwise, show so many objects.
    #[arg(long, value_name = "N", default_value_t = 20)]
    most_objects: u32,
}

impl Why {
    /// Explains it.
    ///
    /// # Errors
    /// When the services can't be reached, or there is no such record.
    pub async fn run(self, source: &Source) -> Result<ExitCode, Problem> {
        let config = source.load()?;
        let services = Services::find(&config, "").await?;
        let printed = async {
            let feed = services.clients().feed.clone();
            let wanted = self.tenant.as_deref();
            let tenants = ledger::tenants_called(&config, feed.clone(), wanted).await?;
            let positions = match self.is_of_a_product() {
                true => position::read(&tenants, feed).await?,
                false => Vec::new(),
            };
            let tenant_id = match (&self.tenant, tenants.first()) {
                (None, _) => String::new(),
                (Some(_), Some(tenant)) => tenant.id.clone(),
                (Some(other), None) => other.clone(),
            };
            let request = ExplainRequest {
                tenant_id,
                kind: self.kind().to_owned(),
                key: self.key(&positions),
                most_objects: self.most_objects,
            };
            let mut client = NormalizerAdminClient::new(services.clients().normalizer.clone());
            let explained = client.explain(request).await.map_err(refused)?;
            self.print(&explained.into_inner().records, &positions)
        };
        let printed = printed.await;
        services.close().await;
        printed.map(|()| ExitCode::SUCCESS)
    }

    fn kind(&self) -> &str {
        match self.kind.as_str() {
            "position" => RecordKind::LicensePosition.name(),
            kind => kind,
        }
    }

    fn is_of_a_product(&self) -> bool {
        let kinds = [RecordKind::LicensePosition, RecordKind::SubscribedSku];
        kinds.iter().any(|kind| kind.name() == self.kind())
    }

    /// People know products by their part numbers, the ledger by their GUIDs.
    fn key(&self, positions: &[LicensePosition]) -> String {
        let mut named = positions
            .iter()
            .filter(|p| p.sku_part_number.eq_ignore_ascii_case(&self.key));
        match named.next() {
            Some(position) => position.sku_id.clone(),
            None if self.is_of_a_product() => self.key.to_lowercase(),
            None => self.key.clone(),
        }
    }

    fn print(&self, explained: &[Explained], positions: &[LicensePosition]) -> Result<(), Problem> {
        if self.output.output != Format::Table {
            return output::print(explained, &[], self.output.output);
        }
        let pages = explained.iter().map(|e| page(e, positions));
        output::write(&pages.collect::<Vec<_>>().join("\n"))
    }
}

const BASIS: [Column<Origin>; 6] = [
    Column {
        title: "Kind",
        numeric: false,
        cell: |o| o.kind.clone(),
    },
    Column {
        title: "Key",
        numeric: false,
        cell: |o| o.key.clone(),
    },
    Column {
        title: "Name",
        numeric: false,
        cell: |o| o.name.chars().take(32).collect(),
    },
    Column {
        title: "Changed",
        numeric: false,
        cell: changed,
    },
    Column {
        title: "By run",
        numeric: false,
        cell: run,
    },
    Column {
        title: "Request",
        numeric: false,
        cell: |o| {
            o.page
                .as_ref()
                .map_or_else(String::new, |p| p.request_id.clone())
        },
    },
];

const WAYS: [Column<AssignmentWay>; 4] = [
    Column {
        title: "Way",
        numeric: false,
        cell: |w| w.path.clone(),
    },
    Column {
        title: "Group",
        numeric: false,
        cell: |w| w.group_id.clone().unwrap_or_default(),
    },
    Column {
        title: "Name",
        numeric: false,
        cell: |w| w.group_name.chars().take(48).collect(),
    },
    Column {
        title: "Users",
        numeric: true,
        cell: |w| thousands(w.users),
    },
];

/// The page about a record.
fn page(explained: &Explained, positions: &[LicensePosition]) -> String {
    let record = explained.record.clone().unwrap_or_default();
    let mut out = String::new();
    let mut line = |name: &str, value: String| {
        // Writing to a string doesn't fail.
        _ = writeln!(out, "{name:<11}{}", printable(&value));
    };
    line("Record", format!("{} {}", record.kind, record.key));
    if !record.name.is_empty() {
        line("Name", record.name.clone());
    }
    line("Tenant", record.tenant_id.clone());
    if record.removed {
        line("State", "removed: Graph said that it is gone".to_owned());
    }
    line("Changed", changed(&record));
    line("By run", run(&record));
    if let Some(page) = &record.page {
        line("Page", format!("{}/{}", page.attempt, page.sequence));
        line("SHA-256", page.sha256.clone());
        line("Request", page.request_id.clone());
    }
    let is_this = |p: &&LicensePosition| {
        p.tenant_id == record.tenant_id
            && p.sku_id == record.key
            && record.kind == RecordKind::LicensePosition.name()
    };
    if let Some(position) = positions.iter().find(is_this) {
        arithmetic(&mut out, position);
    }
    if let Some(why) = &explained.reconciliation {
        reconciliation::write(&mut out, why);
    }
    if !explained.follows_from.is_empty() {
        _ = writeln!(out, "\nIt follows from");
        out.push_str(&table(&explained.follows_from, &BASIS));
    }
    if !explained.ways.is_empty() {
        _ = writeln!(out, "\nUsers hold it by");
        out.push_str(&table(&explained.ways, &WAYS));
        out.push_str("A user with several ways is counted in each.\n");
    }
    out
}

/// How the numbers of a position come about.
fn arithmetic(out: &mut String, p: &LicensePosition) {
    let n = |n: i32| thousands(n);
    let both = match p.both {
        0 => String::new(),
        both => format!(" - {} by both", n(both)),
    };
    let unknown = match p.unknown {
        0 => String::new(),
        unknown => format!(" + {} by no way that Graph names", n(unknown)),
    };
    let agrees = match (p.unexplained, p.reconciled) {
        (0, _) => String::new(),
        (left, true) => format!(", {} unexplained, within the limit", n(left)),
        (left, false) => format!(
            ", {} unexplained, more than the limit: the two countings don't agree",
            n(left)
        ),
    };
    _ = write!(
        out,
        "\nProvisioned {} = {} enabled + {} in grace\nAssigned    {} = {} direct + {} by group{both}{unknown}\n\
         Available   {} = {} provisioned - {} assigned\nResidual    {} = {} as Microsoft counts - {} assigned{agrees}\n",
        n(p.provisioned),
        n(p.enabled),
        n(p.warning),
        n(p.assigned),
        n(p.direct),
        n(p.by_group),
        n(p.available),
        n(p.provisioned),
        n(p.assigned),
        n(p.residual),
        n(p.consumed_units),
        n(p.assigned),
    );
}

fn changed(origin: &Origin) -> String {
    match origin.changed_at {
        0 => "longer ago than closings are kept".to_owned(),
        at => rfc3339(at),
    }
}

fn run(origin: &Origin) -> String {
    match origin.run {
        0 => String::new(),
        run => format!("{run} ({}, {})", origin.dataset, origin.mode),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_of_a_position_add_up_in_words() {
        let position = LicensePosition {
            provisioned: 1_200,
            enabled: 1_190,
            warning: 10,
            assigned: 1_101,
            direct: 600,
            by_group: 600,
            both: 100,
            unknown: 1,
            available: 99,
            consumed_units: 1_103,
            residual: 2,
            unexplained: 1,
            reconciled: true,
            ..LicensePosition::default()
        };
        let mut out = String::new();
        arithmetic(&mut out, &position);
        let lines: Vec<&str> = out.trim().lines().collect();
        assert_eq!(
            lines,
            [
                "Provisioned 1,200 = 1,190 enabled + 10 in grace",
                "Assigned    1,101 = 600 direct + 600 by group - 100 by both + 1 by no way that Graph names",
                "Available   99 = 1,200 provisioned - 1,101 assigned",
                "Residual    2 = 1,103 as Microsoft counts - 1,101 assigned, 1 unexplained, within the limit",
            ]
        );
    }
}

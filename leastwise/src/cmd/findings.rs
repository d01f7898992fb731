//! `leastwise findings`: what to look at, from the ledger.

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::Args;
use proto::inventory::v1::Finding;
use proto::kind::RecordKind;
use runtime::Problem;
use runtime::grpc::Channel;

use crate::cli::{Format, Output};
use crate::config::Source;
use crate::connect::Services;
use crate::ledger::{self, Tenant};
use crate::output::{self, Column, thousands};

/// What to look at: licences on disabled accounts, in error, held twice, and units that nobody holds.
///
/// The table counts findings by rule and product; with --rule or --sku it shows each. JSON and CSV always hold each of
/// them with its evidence. docs/findings.md explains the rules, and what would disprove a finding.
#[derive(Args)]
pub struct Findings {
    #[command(flatten)]
    output: Output,
    /// Of this tenant only: its directory (tenant) id or its configured name.
    #[arg(long, value_name = "TENANT")]
    tenant: Option<String>,
    /// Of this rule only: disabled_account, unassigned, in_error, lower_sku or included_sku.
    #[arg(long, value_name = "RULE")]
    rule: Option<String>,
    /// About this product only: its GUID or its part number, for example SPE_E3.
    #[arg(long, value_name = "SKU")]
    sku: Option<String>,
}

impl Findings {
    /// Prints them.
    ///
    /// # Errors
    /// When the ledger can't be asked.
    pub async fn run(self, source: &Source) -> Result<ExitCode, Problem> {
        let config = source.load()?;
        let services = Services::find(&config, "").await?;
        let printed = async {
            let feed = services.clients().feed.clone();
            let wanted = self.tenant.as_deref();
            let tenants = ledger::tenants_called(&config, feed.clone(), wanted).await?;
            let findings = read(&tenants, feed, |f| self.wants(f)).await?;
            self.print(&findings)
        };
        let printed = printed.await;
        services.close().await;
        printed.map(|()| ExitCode::SUCCESS)
    }

    fn wants(&self, finding: &Finding) -> bool {
        let rule = self.rule.as_ref().is_none_or(|r| *r == finding.rule);
        let sku = self.sku.as_ref().is_none_or(|s| {
            finding.sku_id.eq_ignore_ascii_case(s)
                || finding.sku_part_number.eq_ignore_ascii_case(s)
        });
        rule && sku
    }

    fn print(&self, findings: &[Finding]) -> Result<(), Problem> {
        let format = self.output.output;
        if format != Format::Table || self.rule.is_some() || self.sku.is_some() {
            return output::print(findings, &COLUMNS, format);
        }
        if !findings.is_empty() {
            output::write(&output::table(&sums(findings), &SUMS))?;
        }
        let line = line(findings);
        output::write(&format!(
            "{line}.\nUnits are not to be added up: one may be found by several rules. Each finding with its evidence: \
             --rule, --sku, or --output json.\n"
        ))
    }
}

/// The findings of these tenants that are wanted, by rule and product.
///
/// # Errors
/// When the ledger can't be asked.
pub async fn read(
    tenants: &[Tenant],
    feed: Channel,
    wanted: impl Fn(&Finding) -> bool,
) -> Result<Vec<Finding>, Problem> {
    let mut findings = Vec::new();
    for tenant in tenants {
        let kind = RecordKind::Finding;
        let mut found = ledger::records(tenant, kind, feed.clone(), &wanted).await?;
        found.sort_by_cached_key(|f: &Finding| {
            (f.rule.clone(), f.product_name.clone(), f.user_id.clone())
        });
        findings.append(&mut found);
    }
    Ok(findings)
}

/// One line about all of them.
pub fn line(findings: &[Finding]) -> String {
    let mut rules: BTreeMap<&str, u64> = BTreeMap::new();
    for finding in findings {
        *rules.entry(&finding.rule).or_default() += 1;
    }
    let each = rules
        .iter()
        .map(|(rule, n)| format!("{} {rule}", thousands(*n)));
    let each: Vec<String> = each.collect();
    match findings.len() as u64 {
        0 => "No findings".to_owned(),
        n => format!("{} findings: {}", thousands(n), each.join(", ")),
    }
}

const COLUMNS: [Column<Finding>; 6] = [
    Column {
        title: "Rule",
        numeric: false,
        cell: |f| f.rule.clone(),
    },
    Column {
        title: "Product",
        numeric: false,
        cell: |f| f.product_name.chars().take(48).collect(),
    },
    Column {
        title: "User",
        numeric: false,
        cell: |f| f.user_id.clone().unwrap_or_default(),
    },
    Column {
        title: "Units",
        numeric: true,
        cell: |f| thousands(f.units),
    },
    Column {
        title: "Confidence",
        numeric: false,
        cell: |f| f.confidence.clone(),
    },
    Column {
        title: "Why",
        numeric: false,
        cell: |f| f.reasons.join(", "),
    },
];

/// Findings of one rule about one product.
struct Sum {
    rule: String,
    product: String,
    findings: u64,
    units: i64,
}

fn sums(findings: &[Finding]) -> Vec<Sum> {
    let mut sums: BTreeMap<(&str, &str), Sum> = BTreeMap::new();
    for f in findings {
        let sum = sums.entry((&f.rule, &f.sku_id)).or_insert_with(|| Sum {
            rule: f.rule.clone(),
            product: f.product_name.chars().take(48).collect(),
            findings: 0,
            units: 0,
        });
        sum.findings += 1;
        sum.units += i64::from(f.units);
    }
    let mut sums: Vec<Sum> = sums.into_values().collect();
    sums.sort_by(|a, b| (&a.rule, b.units, &a.product).cmp(&(&b.rule, a.units, &b.product)));
    sums
}

const SUMS: [Column<Sum>; 4] = [
    Column {
        title: "Rule",
        numeric: false,
        cell: |s| s.rule.clone(),
    },
    Column {
        title: "Product",
        numeric: false,
        cell: |s| s.product.clone(),
    },
    Column {
        title: "Findings",
        numeric: true,
        cell: |s| thousands(s.findings),
    },
    Column {
        title: "Units",
        numeric: true,
        cell: |s| thousands(s.units),
    },
];

//! How fast a snapshot becomes files: `cargo run --release -p exporter --example throughput -- 100000`.
//!
//! Users with two licences each, encoded beforehand; the time is that of decoding, projecting, rendering, hashing and
//! writing them. The CPU time is that of the whole process (Linux only).
#![allow(clippy::print_stdout, reason = "the result is what it is for")]

use exporter::sink::files::Directory;
use exporter::sink::{Context, Settings as _, Sink, Snapshot};
use futures::StreamExt as _;
use prost::Message as _;
use proto::feed::v1::{Record, SnapshotBatch};
use proto::inventory::v1::{AssignedLicense, LicenseAssignmentState, User};
use runtime::db::{Db, Durability, Options};
use tokio::time::Instant;

const TENANT: &str = "11111111-2222-3333-4444-555555555555";
const SKUS: [&str; 2] = [
    "05e9a617-0261-4cee-bb44-138d3ef5d965",
    "06ebc4ee-1bb5-47dd-8120-11324bc54e06",
];

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let users: u32 = std::env::args().nth(1).map_or(Ok(100_000), |n| n.parse())?;
    let records: Vec<Record> = (0..users).map(record).collect();
    let mut batches: Vec<_> = records
        .chunks(1_000)
        .map(|r| Ok(batch(r.to_vec(), false)))
        .collect();
    batches.push(Ok(batch(Vec::new(), true)));
    drop(records);
    let dir = tempfile::tempdir()?;
    let options = Options {
        path: dir.path().join("exporter.db"),
        durability: Durability::Full,
        brake: false,
    };
    let context = Context {
        name: "files".to_owned(),
        brake: false,
        clock: runtime::Clock::system(),
        db: Db::open(&options, &exporter::MIGRATIONS).await?,
    };
    let Sink::Snapshots(sink) = Directory::new(dir.path().join("out")).sink(&context)? else {
        return Err("files are replaced as a whole".into());
    };
    let _alone = sink.alone().await?.ok_or("another process is here")?;
    let tenant = TENANT.parse()?;

    let (start, cpu) = (Instant::now(), cpu_seconds());
    sink.spool(
        tenant,
        Snapshot::new(futures::stream::iter(batches).boxed()),
    )
    .await?;
    let spooled = start.elapsed();
    let written = sink.publish(&[tenant]).await?;
    let (wall, cpu) = (start.elapsed().as_secs_f64(), cpu_seconds() - cpu);

    let lines: u64 = written.values().sum();
    println!(
        "{users} users, {lines} lines: {wall:.2} s ({:.2} s until shown), {cpu:.2} s of CPU",
        wall - spooled.as_secs_f64()
    );
    println!(
        "{:.0} users a second, {:.0} a CPU-second",
        f64::from(users) / wall,
        f64::from(users) / cpu
    );
    Ok(())
}

fn batch(records: Vec<Record>, last: bool) -> SnapshotBatch {
    SnapshotBatch {
        as_of: 1,
        records,
        last,
        complete: true,
        datasets: Vec::new(),
    }
}

fn record(n: u32) -> Record {
    let id = format!("{n:08x}-0000-4000-8000-000000000000");
    let text = |s: &str| Some(s.to_owned());
    let user = User {
        tenant_id: TENANT.into(),
        user_id: id.clone(),
        user_principal_name: Some(format!("given.surname{n}@contoso.example")),
        display_name: Some(format!("Given Surname {n}")),
        given_name: text("Given"),
        surname: Some(format!("Surname {n}")),
        mail: Some(format!("given.surname{n}@contoso.example")),
        account_enabled: Some(true),
        user_type: text("Member"),
        employee_id: Some(format!("E{n:07}")),
        department: text("Research and development"),
        company_name: text("Contoso"),
        job_title: text("Engineer"),
        office_location: text("12/1.034"),
        city: text("Leipzig"),
        country: text("Germany"),
        usage_location: text("DE"),
        created_date_time: text("2021-03-04T05:06:07Z"),
        assigned_licenses: SKUS
            .iter()
            .map(|s| AssignedLicense {
                sku_id: (*s).into(),
                disabled_plans: vec![],
            })
            .collect(),
        license_assignment_states: SKUS.iter().map(|s| way(s)).collect(),
        ..User::default()
    };
    Record {
        kind: "user".into(),
        key: id,
        closing: 1,
        removed: false,
        body: user.encode_to_vec(),
    }
}

fn way(sku: &str) -> LicenseAssignmentState {
    LicenseAssignmentState {
        sku_id: sku.into(),
        assigned_by_group: Some("9a7c1c1e-5b6f-4d2e-8f3a-0d1c2b3a4f5e".into()),
        state: "Active".into(),
        last_updated_date_time: Some("2024-01-02T03:04:05Z".into()),
        ..LicenseAssignmentState::default()
    }
}

/// User and system time of this process; Linux counts in hundredths of a second.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(") ").next().unwrap_or_default();
    let ticks = after_name
        .split(' ')
        .skip(11)
        .take(2)
        .filter_map(|n| n.parse::<f64>().ok());
    ticks.sum::<f64>() / 100.0
}

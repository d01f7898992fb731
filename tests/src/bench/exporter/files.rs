//! What files cost: NDJSON over writing the same bytes, Parquet beside the writer of Arrow alone, and memory.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use exporter::SinkConfig;
use exporter::sink::{Context, Sink, Snapshot, SnapshotSink};
use futures::{StreamExt as _, stream};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use prost::Message as _;
use proto::feed::v1::{DatasetState, Record, SnapshotBatch};
use proto::ids::TenantId;
use proto::inventory::v1::{AssignedLicense, LicenseAssignmentState, User};
use runtime::Clock;
use tokio::time::Instant;

use super::{Args, Figures};
use crate::bench::{median, usage};

const TENANT: &str = "11111111-2222-3333-4444-555555555555";
const SKUS: [&str; 2] = [
    "05e9a617-0261-4cee-bb44-138d3ef5d965",
    "06ebc4ee-1bb5-47dd-8120-11324bc54e06",
];

/// Records of a batch, as the ledger has most.
const BATCH: u64 = 1_000;

/// How often memory is looked at during an export.
const SAMPLES: u64 = 10;

pub(super) async fn measure(args: &Args, figures: &mut Figures) -> Result<()> {
    ndjson(args, figures).await?;
    parquet(args, figures).await?;
    for (format, name) in [
        ("ndjson", "files_ndjson_growth_mib"),
        ("csv", "files_csv_growth_mib"),
        ("parquet", "files_parquet_growth_mib"),
    ] {
        figures.insert(name, growth(args.files_records, format).await?);
    }
    Ok(())
}

/// Rendering and showing, over writing the same bytes once; pair by pair.
async fn ndjson(args: &Args, figures: &mut Figures) -> Result<()> {
    let users = all(args.users);
    let (mut speeds, mut shares) = (Vec::new(), Vec::new());
    for _ in 0..args.pairs {
        let home = tempfile::tempdir()?;
        let took = export(home.path(), "ndjson", given(&users)).await?;
        let mut same = Vec::new();
        for kind in ["user.ndjson", "license_assignment.ndjson"] {
            let mut file = File::open(home.path().join("out").join(kind))?;
            file.read_to_end(&mut same)?;
        }
        let begin = Instant::now();
        let mut file = File::create(home.path().join("same"))?;
        for chunk in same.chunks(256 << 10) {
            file.write_all(chunk)?;
        }
        file.sync_all()?;
        let plain = begin.elapsed().as_secs_f64();
        speeds.push(same.len() as f64 / took / f64::from(1 << 20));
        shares.push(plain / took);
    }
    figures.insert("files_ndjson_mib_per_second", median(speeds));
    figures.insert("files_share_of_write", median(shares));
    Ok(())
}

/// Rows a second from the ledger's records to a shown file, beside those from columns that are there already.
async fn parquet(args: &Args, figures: &mut Figures) -> Result<()> {
    let users = all(args.users);
    let rows = args.users as f64;
    let (mut ours, mut bare, mut shares) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..args.pairs {
        let home = tempfile::tempdir()?;
        let took = export(home.path(), "parquet", given(&users)).await?;
        let file = File::open(home.path().join("out/user.parquet"))?;
        let reader = ParquetRecordBatchReaderBuilder::try_new(file)?.with_batch_size(4_096);
        let schema = reader.schema().clone();
        let batches: Vec<_> = reader.build()?.collect::<Result<_, _>>()?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .build();
        let begin = Instant::now();
        let file = File::create(home.path().join("same"))?;
        let mut writer = ArrowWriter::try_new(file, schema, Some(properties))?;
        for batch in &batches {
            writer.write(batch)?;
        }
        writer.into_inner()?.sync_all()?;
        let plain = begin.elapsed().as_secs_f64();
        ours.push(rows / took);
        bare.push(rows / plain);
        shares.push(plain / took);
    }
    figures.insert("files_parquet_rows_per_second", median(ours));
    figures.insert("files_arrow_writer_rows_per_second", median(bare));
    figures.insert("files_parquet_share_of_arrow_writer", median(shares));
    Ok(())
}

/// How much more memory this process has in its hands near the end of an export than after its first tenth, in MiB.
/// Nothing of what is exported is in memory beforehand.
async fn growth(records: u64, format: &str) -> Result<f64> {
    let home = tempfile::tempdir()?;
    let samples = Arc::new(std::sync::Mutex::new(Vec::new()));
    let (batches, taken) = (records.div_ceil(BATCH).max(SAMPLES), samples.clone());
    let each = stream::iter(0..batches).map(move |n| {
        if n % (batches / SAMPLES) == batches / SAMPLES - 1
            && let Ok(mut taken) = taken.lock()
        {
            taken.push(usage::resident_mib(std::process::id()));
        }
        Ok(batch(
            (n * BATCH..(n + 1) * BATCH).map(user).collect(),
            n + 1 == batches,
        ))
    });
    export(home.path(), format, Snapshot::new(each.boxed())).await?;
    let samples: Vec<f64> = match samples.lock() {
        Ok(samples) => samples.clone(),
        Err(_) => bail!("the samples are lost"),
    };
    let most = samples.iter().copied().fold(0.0, f64::max);
    Ok(most - samples.first().context("no sample")?)
}

/// Seconds of bringing a snapshot to a new directory, until it is shown.
async fn export(home: &Path, format: &str, snapshot: Snapshot) -> Result<f64> {
    let json = serde_json::json!({
        "kind": "files",
        "path": home.join("out"),
        "format": format,
        "shows": { "kinds": if format == "parquet" { vec!["user"] } else { vec!["user", "license_assignment"] } },
    });
    let config: SinkConfig = serde_json::from_value(json)?;
    let context = Context {
        name: "files".to_owned(),
        brake: false,
        clock: Clock::system(),
        db: super::database(home).await?,
    };
    let Sink::Snapshots(sink) = config.target.sink(&context)? else {
        bail!("files are replaced as a whole");
    };
    let sink: &dyn SnapshotSink = sink.as_ref();
    let _alone = sink.alone().await?.context("another process is here")?;
    sink.shown().await?;
    let tenant: TenantId = TENANT.parse()?;
    let begin = Instant::now();
    sink.spool(tenant, snapshot)
        .await?
        .context("nothing was spooled")?;
    sink.publish(&[tenant]).await?;
    Ok(begin.elapsed().as_secs_f64())
}

fn all(users: u64) -> Arc<Vec<SnapshotBatch>> {
    let batches = users.div_ceil(BATCH);
    let each = (0..batches).map(|n| {
        let records = (n * BATCH..users.min((n + 1) * BATCH)).map(user).collect();
        batch(records, n + 1 == batches)
    });
    Arc::new(each.collect())
}

fn given(batches: &Arc<Vec<SnapshotBatch>>) -> Snapshot {
    let batches = batches.clone();
    let each = (0..batches.len()).filter_map(move |n| batches.get(n).cloned().map(Ok));
    Snapshot::new(stream::iter(each).boxed())
}

fn batch(records: Vec<Record>, last: bool) -> SnapshotBatch {
    let users = DatasetState {
        dataset: "users".into(),
        pages: 1,
        complete: true,
        ..DatasetState::default()
    };
    SnapshotBatch {
        as_of: 1,
        records,
        last,
        complete: last,
        datasets: if last { vec![users] } else { Vec::new() },
    }
}

/// A user with two licences, one of them by a group.
fn user(n: u64) -> Record {
    let id = format!("{n:08x}-0000-4000-8000-000000000000");
    let user = User {
        tenant_id: TENANT.into(),
        user_id: id.clone(),
        user_principal_name: Some(format!("person{n}@contoso.example")),
        display_name: Some(format!("Person {n}")),
        given_name: Some("Person".into()),
        surname: Some(n.to_string()),
        mail: Some(format!("person{n}@contoso.example")),
        account_enabled: Some(!n.is_multiple_of(17)),
        user_type: Some("Member".into()),
        department: Some(format!("Department {}", n % 97)),
        country: Some("Germany".into()),
        usage_location: Some("DE".into()),
        created_date_time: Some("2021-03-04T05:06:07Z".into()),
        assigned_licenses: SKUS
            .map(|sku| AssignedLicense {
                sku_id: sku.into(),
                disabled_plans: Vec::new(),
            })
            .into(),
        license_assignment_states: SKUS
            .into_iter()
            .enumerate()
            .map(|(place, sku)| LicenseAssignmentState {
                sku_id: sku.into(),
                assigned_by_group: (place == 1).then(|| id.clone()),
                state: "Active".into(),
                ..LicenseAssignmentState::default()
            })
            .collect(),
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

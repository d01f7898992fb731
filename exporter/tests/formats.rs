//! Files of every format and layout: whole, current, and nothing else beside them.
#![allow(clippy::unwrap_used, reason = "a test")]

#[path = "support/mod.rs"]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use exporter::SinkConfig;
use serde_json::Value;
use support::{A, B, Rig};

fn sink(dir: &Path, json: &str) -> SinkConfig {
    let mut sink: SinkConfig = serde_json::from_str(json).unwrap();
    sink.resolve(dir);
    sink.target.check("files").unwrap();
    sink
}

/// A directory `out` with these keys besides.
async fn rig(keys: &str) -> Rig {
    let json = format!(r#"{{"kind":"files","path":"out",{keys}}}"#);
    Rig::new(|dir| vec![sink(dir, &json)]).await
}

/// Every file in a directory that people see, by its path.
fn visible(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    fn walk(at: &Path, below: &str, all: &mut BTreeMap<String, Vec<u8>>) {
        for entry in std::fs::read_dir(at).unwrap().map(Result::unwrap) {
            let name = entry.file_name().into_string().unwrap();
            if name.starts_with('.') {
                continue;
            }
            let path = format!("{below}{name}");
            if entry.path().is_dir() {
                walk(&entry.path(), &format!("{path}/"), all);
            } else {
                all.insert(path, std::fs::read(entry.path()).unwrap());
            }
        }
    }
    let mut all = BTreeMap::new();
    walk(dir, "", &mut all);
    all
}

fn csv(text: &[u8]) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_reader(text);
    reader.deserialize().map(Result::unwrap).collect()
}

fn names(rows: &[BTreeMap<String, String>]) -> Vec<String> {
    rows.iter()
        .map(|r| {
            format!(
                "{}/{}={}",
                &r["tenant_id"][..1],
                r["user_id"],
                r["display_name"]
            )
        })
        .collect()
}

#[tokio::test]
async fn csv_has_one_header_and_no_formulas() {
    let rig = rig(r#""format":"csv","csv":{"bom":true}"#).await;
    rig.ledger.user(A, "u1", "=cmd|' /C calc'!A0", &["e5"]);
    rig.ledger.user(A, "u2", "Bo\"b, \r\nof\0 course", &[]);
    rig.ledger.user(B, "u1", "Bea", &[]);
    rig.sync().await;
    let text = std::fs::read(rig.out().join("user.csv")).unwrap();
    let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap();
    assert_eq!(
        names(&csv(text)),
        [
            "a/u1='=cmd|' /C calc'!A0",
            "a/u2=Bo\"b, \r\nof\u{fffd} course",
            "b/u1=Bea"
        ]
    );
    let user = &csv(text)[0];
    assert_eq!(
        user["assigned_licenses"],
        r#"[{"skuId":"e5","disabledPlans":[]}]"#
    );
    let empty = std::fs::read(rig.out().join("finding.csv")).unwrap();
    assert!(empty.starts_with("\u{feff}tenant_id,".as_bytes()) && empty.ends_with(b"\r\n"));
    assert_eq!(csv(&empty).len(), 0);
    assert_eq!(rig.manifest()["kinds"]["user"]["file"], "user.csv");
    assert_eq!(rig.manifest()["kinds"]["user"]["count"], 3);
}

#[tokio::test]
async fn compressed_files_of_several_tenants_are_one_text() {
    for (compression, suffix) in [("gzip", "gz"), ("zstd", "zst")] {
        for format in ["csv", "ndjson"] {
            let rig = rig(&format!(
                r#""format":"{format}","compression":"{compression}""#
            ))
            .await;
            rig.ledger.user(A, "u1", "Ann", &[]);
            rig.ledger.user(B, "u1", "Bea", &[]);
            rig.sync().await;
            let of = |kind: &str| {
                let bytes =
                    std::fs::read(rig.out().join(format!("{kind}.{format}.{suffix}"))).unwrap();
                let mut text = String::new();
                match compression {
                    "gzip" => {
                        let mut reader = flate2::read::MultiGzDecoder::new(bytes.as_slice());
                        std::io::Read::read_to_string(&mut reader, &mut text).unwrap();
                    }
                    _ => {
                        text =
                            String::from_utf8(zstd::decode_all(bytes.as_slice()).unwrap()).unwrap()
                    }
                }
                text
            };
            assert_eq!(
                of("user").matches("tenant").count(),
                if format == "csv" { 1 } else { 2 }
            );
            assert!(of("user").contains("Ann") && of("user").contains("Bea"));
            assert_eq!(of("finding").is_empty(), format == "ndjson");
        }
    }
}

#[tokio::test]
async fn fields_are_chosen_and_renamed() {
    let shows = r#""shows":{"kinds":["user"],"fields":{"user":["displayName","userId"]},"names":{"user":{"displayName":"who"}}}"#;
    let rig_csv = rig(&format!(r#""format":"csv",{shows}"#)).await;
    rig_csv.ledger.user(A, "u1", "Ann", &["e5"]);
    rig_csv.sync().await;
    let files = visible(&rig_csv.out());
    assert_eq!(
        files.keys().collect::<Vec<_>>(),
        ["manifest.json", "user.csv"]
    );
    let text = String::from_utf8(files["user.csv"].clone()).unwrap();
    assert_eq!(text, format!("tenant_id,who,user_id\r\n{A},Ann,u1\r\n"));
    let rig_json = rig(shows).await;
    rig_json.ledger.user(A, "u1", "Ann", &["e5"]);
    rig_json.sync().await;
    let text = std::fs::read_to_string(rig_json.out().join("user.ndjson")).unwrap();
    assert_eq!(
        text,
        format!("{{\"tenantId\":\"{A}\",\"who\":\"Ann\",\"userId\":\"u1\"}}\n")
    );
}

#[tokio::test]
async fn one_workbook_shows_all_tenants() {
    let rig = rig(r#""format":"xlsx""#).await;
    rig.ledger.user(A, "u1", "=1+1", &[]);
    rig.ledger.user(B, "u1", "Bea", &[]);
    rig.ledger.position(A, "e5", 7);
    rig.sync().await;
    let files = visible(&rig.out());
    assert_eq!(
        files.keys().collect::<Vec<_>>(),
        ["inventory.xlsx", "manifest.json"]
    );
    let book = std::io::Cursor::new(&files["inventory.xlsx"]);
    let mut book = zip::ZipArchive::new(book).unwrap();
    let mut users = String::new();
    let mut sheet = book.by_name("xl/worksheets/sheet3.xml").unwrap();
    std::io::Read::read_to_string(&mut sheet, &mut users).unwrap();
    assert!(users.contains(">=1+1<") && users.contains(">Bea<") && !users.contains("<f>"));
    assert_eq!(rig.manifest()["kinds"]["user"]["count"], 2);
    assert_eq!(rig.manifest()["kinds"]["user"]["file"], "inventory.xlsx");
    rig.ledger.position(A, "e5", 8);
    rig.sync().await;
    assert_ne!(
        visible(&rig.out())["inventory.xlsx"],
        files["inventory.xlsx"]
    );
}

/// What a reader of the manifest sees: the rows of a kind in every part that it names.
fn read(rig: &Rig, kind: &str) -> Vec<String> {
    let manifest = rig.manifest();
    let parts = manifest["parts"].as_array().unwrap().iter();
    let mut rows = Vec::new();
    for part in parts.filter(|p| p["kind"] == kind) {
        let bytes = std::fs::read(rig.out().join(part["path"].as_str().unwrap())).unwrap();
        assert_eq!(part["bytes"], bytes.len());
        let part_rows = csv(&bytes);
        assert_eq!(part["count"], part_rows.len());
        rows.extend(names(&part_rows));
    }
    rows
}

fn paths(manifest: &Value) -> BTreeSet<String> {
    let parts = manifest["parts"].as_array().unwrap().iter();
    parts
        .map(|p| p["path"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_partition_is_replaced_alone_and_the_manifest_names_all() {
    let mut rig = rig(r#""format":"csv","layout":"partitioned""#).await;
    rig.ledger.user(A, "u1", "Ann", &["e5"]);
    rig.ledger.position(A, "e5", 1);
    rig.ledger.user(B, "u1", "Bea", &[]);
    rig.sync().await;
    assert_eq!(read(&rig, "user"), ["a/u1=Ann", "b/u1=Bea"]);
    let before = paths(&rig.manifest());
    assert_eq!(
        before.len(),
        4,
        "users of two, a position and an assignment"
    );
    let stands: BTreeSet<String> = visible(&rig.out()).into_keys().collect();
    let named = || before.iter().cloned().chain(["manifest.json".to_owned()]);
    assert_eq!(stands, named().collect());
    rig.restart().await;
    rig.ledger.user(A, "u1", "Anna", &["e5"]);
    rig.sync().await;
    assert_eq!(read(&rig, "user"), ["a/u1=Anna", "b/u1=Bea"]);
    let after = paths(&rig.manifest());
    let new: Vec<_> = after.difference(&before).collect();
    assert_eq!(new.len(), 1, "{new:?}");
    assert!(new[0].starts_with(&format!("tenant={A}/kind=user/part-00000-")));
    let stands: BTreeSet<String> = visible(&rig.out()).into_keys().collect();
    assert_eq!(stands.len(), after.len() + 1, "the old part is gone");
    let asked = rig.ledger.with(|l| l.asked.last().unwrap().clone());
    assert_eq!(asked, ["user"], "the rest is known from the manifest");
}

#[tokio::test]
async fn a_partition_that_somebody_took_away_comes_again() {
    let mut rig = rig(r#""format":"csv","layout":"partitioned""#).await;
    rig.ledger.user(A, "u1", "Ann", &[]);
    rig.ledger.user(B, "u1", "Bea", &[]);
    rig.sync().await;
    let part = paths(&rig.manifest()).into_iter().next().unwrap();
    rig.stop().await;
    std::fs::remove_file(rig.out().join(&part)).unwrap();
    // What an interrupted delivery may have left.
    let orphan = rig
        .out()
        .join(&part)
        .with_file_name("part-00000-0000000000000000.csv");
    std::fs::write(&orphan, "orphan").unwrap();
    rig.start().await;
    rig.sync().await;
    assert_eq!(read(&rig, "user"), ["a/u1=Ann", "b/u1=Bea"]);
    assert!(!orphan.exists());
}

#[tokio::test]
async fn another_format_or_layout_leaves_nothing_of_the_old_one() {
    let out = tempfile::tempdir().unwrap();
    let path = out.path().join("out");
    let ways = [
        r#""format":"ndjson""#,
        r#""format":"csv""#,
        r#""format":"csv","layout":"partitioned""#,
        r#""format":"ndjson","layout":"partitioned""#,
        r#""format":"xlsx""#,
        r#""format":"ndjson""#,
    ];
    for way in ways {
        let json = format!(r#"{{"kind":"files","path":{path:?},{way}}}"#);
        let rig = Rig::new(|dir| vec![sink(dir, &json)]).await;
        rig.ledger.user(A, "u1", "Ann", &[]);
        rig.sync().await;
        let partitioned = way.contains("partitioned");
        let suffix = ["csv", "xlsx", "ndjson"]
            .into_iter()
            .find(|s| way.contains(s))
            .unwrap();
        for name in visible(&path).into_keys().filter(|n| n != "manifest.json") {
            assert!(name.ends_with(suffix), "{way}: {name}");
            assert_eq!(name.contains("tenant="), partitioned, "{way}: {name}");
        }
    }
}

#[tokio::test]
async fn what_shrinks_by_more_than_half_is_held() {
    for layout in ["kind", "partitioned"] {
        let rig = rig(&format!(r#""format":"csv","layout":"{layout}""#)).await;
        for n in 0..30 {
            rig.ledger.user(A, &format!("u{n:02}"), "x", &[]);
        }
        rig.sync().await;
        let before = visible(&rig.out());
        for n in 0..16 {
            rig.ledger.remove(A, "user", &format!("u{n:02}"));
        }
        let sinks = rig.wait().await;
        let problem = &sinks[0].problem;
        assert!(
            problem.starts_with("LW-6030") && problem.contains("30") && problem.contains("14"),
            "{problem}"
        );
        assert_eq!(visible(&rig.out()), before);
        rig.ledger.user(A, "u00", "back", &[]);
        rig.sync().await;
        assert_ne!(visible(&rig.out()), before);
    }
}

#[cfg(feature = "parquet")]
#[tokio::test]
async fn parquet_is_read_back() {
    use arrow_array::cast::AsArray as _;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    for layout in ["kind", "partitioned"] {
        let rig = rig(&format!(r#""format":"parquet","layout":"{layout}""#)).await;
        rig.ledger.user(A, "u1", "Ann", &["e5"]);
        rig.ledger.user(B, "u1", "Bea", &[]);
        rig.sync().await;
        let mut rows = Vec::new();
        let files = visible(&rig.out()).into_keys();
        for name in files.filter(|n| n.contains("user.parquet") || n.contains("kind=user/")) {
            let file = std::fs::File::open(rig.out().join(name)).unwrap();
            let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
            for batch in reader.build().unwrap().map(Result::unwrap) {
                let of = |name| batch.column_by_name(name).unwrap().as_string::<i32>();
                let both = of("tenant_id").iter().zip(of("display_name").iter());
                rows.extend(both.map(|(t, n)| format!("{}/{}", t.unwrap(), n.unwrap())));
            }
        }
        assert_eq!(rows, [format!("{A}/Ann"), format!("{B}/Bea")], "{layout}");
    }
}

/// The child of this test has a limit on the size of its files, so that writing really fails in the middle.
#[cfg(unix)]
#[tokio::test]
async fn a_full_disk_leaves_the_old_files_of_every_format() {
    const CHILD: &str = "LEASTWISE_TEST_SMALL_FILES";
    if std::env::var_os(CHILD).is_some() {
        let mut ways = vec![
            r#""format":"csv""#,
            r#""format":"csv","layout":"partitioned""#,
            r#""format":"ndjson","compression":"zstd""#,
            r#""format":"xlsx""#,
        ];
        if cfg!(feature = "parquet") {
            ways.push(r#""format":"parquet","layout":"partitioned""#);
            ways.push(r#""format":"parquet""#);
        }
        for way in ways {
            on_a_full_disk(way).await;
        }
        return;
    }
    let me = std::env::current_exe().unwrap();
    // A limit of 1 MiB, and an error instead of a signal.
    let out = std::process::Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 2048; exec \"$0\" --exact formats::a_full_disk_leaves_the_old_files_of_every_format --nocapture"])
        .arg(me)
        .env(CHILD, "1")
        .output()
        .unwrap();
    let (said, wrong) = (
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr),
    );
    assert!(
        out.status.success() && said.contains("1 passed"),
        "{said}{wrong}"
    );
}

#[cfg(unix)]
async fn on_a_full_disk(way: &str) {
    use sha2::Digest as _;
    let rig = rig(way).await;
    rig.ledger.user(A, "u1", "Ann", &[]);
    rig.sync().await;
    let before = visible(&rig.out());
    for n in 0..4_000_u32 {
        // What can't be compressed away.
        let name: String = (0..8_u8)
            .flat_map(|part| {
                sha2::Sha256::digest([n.to_le_bytes().as_slice(), &[part]].concat()).to_vec()
            })
            .map(|byte| format!("{byte:02x}"))
            .collect();
        rig.ledger.user(A, &format!("v{n:04}"), &name, &[]);
    }
    let sinks = rig.wait().await;
    let problem = &sinks[0].problem;
    assert!(
        problem.starts_with("LW-6010") && problem.contains("free space"),
        "{way}: {problem}"
    );
    assert_eq!(visible(&rig.out()), before, "{way}");
    for n in 0..4_000 {
        rig.ledger.remove(A, "user", &format!("v{n:04}"));
    }
    rig.ledger.user(A, "u1", "Anna", &[]);
    rig.sync().await;
    assert_ne!(visible(&rig.out()), before, "{way}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_directory_that_may_not_be_written_is_told() {
    // Whoever may do everything is stopped by what isn't a directory.
    let rig = rig(r#""format":"csv","layout":"partitioned""#).await;
    std::fs::write(rig.out(), "a file").unwrap();
    rig.ledger.user(A, "u1", "Ann", &[]);
    let problem = rig.wait().await.remove(0).problem;
    assert!(
        problem.starts_with("LW-6011") && problem.contains("out"),
        "{problem}"
    );
    std::fs::remove_file(rig.out()).unwrap();
    rig.sync().await;
    assert_eq!(read(&rig, "user"), ["a/u1=Ann"]);
}

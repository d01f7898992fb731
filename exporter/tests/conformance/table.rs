//! Sinks × cases.

use std::path::Path;
use std::time::Duration;

use super::cases::{self, CASES, Verdict};
#[cfg(feature = "postgres")]
use super::postgres;
use super::subject::Subject;
use super::{
    changes, files, flexera_one, flexnet, servicenow, snipe_it, snow_atlas, sqlite, webhook,
};

/// A case that takes longer hangs.
const LONGEST: Duration = Duration::from_secs(60);

/// Every sink that is tried, with its data in a directory.
pub fn subjects(dir: &Path) -> Vec<Box<dyn Subject>> {
    let subjects: Vec<Box<dyn Subject>> = vec![
        Box::new(sqlite::Sqlite::new(dir)),
        #[cfg(feature = "postgres")]
        Box::new(postgres::Postgres::new(dir)),
        Box::new(files::Files::new(dir)),
        Box::new(changes::Changes::new(dir)),
        Box::new(flexnet::Flexnet::new(dir)),
        Box::new(flexera_one::FlexeraOne::new()),
        Box::new(snow_atlas::SnowAtlas::new()),
        Box::new(webhook::Webhook::single()),
        Box::new(webhook::Webhook::batch()),
        Box::new(servicenow::ServiceNow::new(dir)),
        Box::new(snipe_it::SnipeIt::new(dir)),
    ];
    #[cfg(feature = "object-store")]
    let subjects = subjects.into_iter().chain(bucket(dir)).collect();
    subjects
}

#[cfg(feature = "object-store")]
fn bucket(dir: &Path) -> Option<Box<dyn Subject>> {
    Some(Box::new(super::bucket::Bucket::new(dir)?))
}

/// Tries every case with every sink, prints the table and returns what does not hold.
#[allow(clippy::print_stdout, reason = "the table is what the test run shows")]
pub async fn broken() -> Vec<String> {
    let names: Vec<_> = CASES.iter().map(|case| case.name).collect();
    let mut table = vec![format!("| sink | {} | not promised |", names.join(" | "))];
    let mut broken = Vec::new();
    let count = subjects(Path::new("")).len();
    for n in 0..count {
        let (mut row, mut name, mut caveat) = (Vec::new(), "", "");
        for case in &CASES {
            // Every case begins with nothing.
            let dir = tempfile::tempdir().unwrap();
            let subject = subjects(dir.path()).remove(n);
            (name, caveat) = (subject.name(), subject.caveat());
            let tried = tokio::time::timeout(LONGEST, cases::run(case, subject.as_ref())).await;
            let verdict = tried.unwrap_or_else(|_| Verdict::Broken("it doesn't end".into()));
            println!("{name}, {}: {}", case.name, verdict.told());
            row.push(match &verdict {
                Verdict::Holds => "yes".to_owned(),
                Verdict::Meaningless(why) => format!("– ({why})"),
                Verdict::Broken(why) => {
                    broken.push(format!("{name}, {}: {why}", case.name));
                    "NO".to_owned()
                }
            });
        }
        table.push(format!("| {name} | {} | {caveat} |", row.join(" | ")));
    }
    println!("{}", table.join("\n"));
    broken
}

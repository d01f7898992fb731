//! Checks a log offline: every record, and the checkpoints that were kept elsewhere.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use runtime::Problem;
use runtime::error::Exit;

use super::checkpoint::{Checkpoint, public_key};
use super::record::{self, BEGINNING};
use super::segment;

/// What to check.
#[derive(Clone, Debug)]
pub struct Request {
    /// The directory of the records.
    pub directory: PathBuf,
    /// Checkpoints from a place that the token-broker can't rewrite; without them a log whose end was cut off looks whole.
    pub checkpoints: Option<PathBuf>,
    /// The public key of the checkpoints; that of the directory when absent.
    pub key: Option<PathBuf>,
}

/// What was found to be right.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Numbers of the first and the last record.
    pub records: (u64, u64),
    /// Checkpoints that agree.
    pub checkpoints: usize,
}

/// Checks.
///
/// # Errors
/// `LW-2033` naming the first record that is wrong, or the checkpoint that the log contradicts; `LW-2034` when a file can't
/// be read.
pub fn verify(request: &Request) -> Result<Outcome, Problem> {
    let notes = notes(request)?;
    let (mut first, mut last) = (0, 0);
    let mut prev: Option<String> = None;
    let mut agreed = 0;
    let directory = &request.directory;
    let files = segment::files(directory).map_err(|e| unreadable(directory, e))?;
    for path in &files {
        let file = File::open(path).map_err(|e| unreadable(path, e))?;
        for (n, line) in BufReader::new(file).lines().enumerate() {
            let line = line.map_err(|e| unreadable(path, e))?;
            let wrong =
                |what: String| broken(format!("{}, line {}: {what}", path.display(), n + 1));
            let links = record::read(&line).map_err(|why| wrong(format!("the record {why}.")))?;
            if first == 0 {
                first = links.seq;
                if first == 1 && links.prev != BEGINNING {
                    return Err(wrong("the first record follows another.".to_owned()));
                }
            } else if links.seq != last + 1 || prev.as_ref() != Some(&links.prev) {
                return Err(wrong(format!(
                    "record {} does not follow record {last}: something between them was removed, inserted or exchanged.",
                    links.seq
                )));
            }
            for note in notes.iter().filter(|note| note.size == links.seq) {
                if note.hash != links.hash {
                    return Err(wrong(format!(
                        "record {} is not the one that the checkpoint of {} saw.",
                        links.seq, note.time
                    )));
                }
                agreed += 1;
            }
            (last, prev) = (links.seq, Some(links.hash));
        }
    }
    if let Some(note) = notes.iter().find(|note| note.size > last) {
        return Err(broken(format!(
            "the log ends with record {last}, but the checkpoint of {} saw record {}: its end was cut off.",
            note.time, note.size
        )));
    }
    if let Some(note) = notes.iter().find(|note| note.size < first) {
        tracing::warn!(
            checkpoint = note.time,
            first,
            "records before the first one are not here; archived ones are checked with theirs"
        );
    }
    Ok(Outcome {
        records: (first, last),
        checkpoints: agreed,
    })
}

fn notes(request: &Request) -> Result<Vec<Checkpoint>, Problem> {
    let Some(path) = &request.checkpoints else {
        return Ok(Vec::new());
    };
    let beside = request.directory.join("checkpoint.pub");
    let key_path = request.key.as_ref().unwrap_or(&beside);
    let key = public_key(key_path).map_err(|e| unreadable(key_path, e))?;
    let text = std::fs::read_to_string(path).map_err(|e| unreadable(path, e))?;
    let mut notes = Vec::new();
    for (n, line) in text.lines().enumerate() {
        let note: Option<Checkpoint> = serde_json::from_str(line).ok();
        let signed = note.filter(|note| note.is_signed_by(&key));
        notes.push(signed.ok_or_else(|| {
            broken(format!(
                "{}, line {}: the checkpoint is not signed with the key in {}.",
                path.display(),
                n + 1,
                key_path.display()
            ))
        })?);
    }
    if notes.is_empty() {
        return Err(broken(format!("{} holds no checkpoint.", path.display())));
    }
    Ok(notes)
}

fn broken(what: String) -> Problem {
    Problem::new(
        "LW-2033",
        what,
        "treat it as an incident: keep the files as they are, and compare them with copies kept elsewhere",
    )
}

fn unreadable(path: &Path, e: std::io::Error) -> Problem {
    let what = format!("{} can't be read: {e}.", path.display());
    Problem::new("LW-2034", what, "check the path and who may read it").exit(Exit::Usage)
}

#[cfg(test)]
mod tests {
    use runtime::Clock;

    use super::*;
    use crate::audit::record::{Event, Kind};
    use crate::audit::{Audit, Config};

    /// A log with ten records, the start included, and checkpoints elsewhere.
    struct Log {
        home: tempfile::TempDir,
        config: Config,
    }

    impl Log {
        async fn new() -> Self {
            let home = tempfile::tempdir().unwrap();
            let config = Config {
                checkpoint_file: Some(home.path().join("elsewhere")),
                checkpoint_records: 4,
                ..Config::at(home.path().join("log"))
            };
            let log = Log { home, config };
            log.add(9).await;
            log
        }

        async fn add(&self, records: u64) {
            let audit =
                Audit::open(&self.config, Clock::starting_at(1_800_000_000_000_000)).unwrap();
            for n in 0..records {
                let tenant = format!("tenant {n}");
                let event = Event {
                    tenant: Some(&tenant),
                    ..Event::new(Kind::Issue)
                };
                audit.note(&event).await.unwrap();
            }
        }

        fn file(&self) -> PathBuf {
            segment::files(&self.config.directory)
                .unwrap()
                .pop()
                .unwrap()
        }

        fn change(&self, how: impl Fn(Vec<&str>) -> Vec<String>) {
            let text = std::fs::read_to_string(self.file()).unwrap();
            let lines = how(text.lines().collect());
            std::fs::write(self.file(), lines.join("\n") + "\n").unwrap();
        }

        fn verify(&self) -> Result<Outcome, Problem> {
            verify(&Request {
                directory: self.config.directory.clone(),
                checkpoints: self.config.checkpoint_file.clone(),
                key: None,
            })
        }

        fn broken(&self, told: &str) {
            let e = self.verify().unwrap_err();
            assert_eq!(e.code, "LW-2033");
            assert!(e.what.contains(told), "{e}");
        }
    }

    fn owned(lines: Vec<&str>) -> Vec<String> {
        lines.into_iter().map(str::to_owned).collect()
    }

    #[tokio::test]
    async fn a_whole_log_is_right_also_after_restarts() {
        let log = Log::new().await;
        assert_eq!(log.verify().unwrap().records, (1, 10));
        log.add(3).await;
        let outcome = log.verify().unwrap();
        assert_eq!(outcome.records, (1, 14));
        assert!(outcome.checkpoints >= 3, "{outcome:?}");
    }

    #[tokio::test]
    async fn a_change_a_removal_and_an_exchange_are_named() {
        let log = Log::new().await;
        log.change(|lines| {
            let mut lines = owned(lines);
            lines[4] = lines[4].replace("tenant 3", "tenant 7");
            lines
        });
        log.broken("line 5: the record was changed");

        let log = Log::new().await;
        log.change(|mut lines| {
            lines.remove(6);
            owned(lines)
        });
        log.broken("line 7: record 8 does not follow record 6");

        let log = Log::new().await;
        log.change(|mut lines| {
            lines.swap(2, 3);
            owned(lines)
        });
        log.broken("line 3: record 4 does not follow record 2");
    }

    #[tokio::test]
    async fn an_end_that_was_cut_off_contradicts_a_checkpoint() {
        let log = Log::new().await;
        log.change(|mut lines| {
            lines.truncate(7);
            owned(lines)
        });
        log.broken("ends with record 7");
        // Without checkpoints from elsewhere nobody can see it.
        let alone = Request {
            directory: log.config.directory.clone(),
            checkpoints: None,
            key: None,
        };
        assert_eq!(verify(&alone).unwrap().records, (1, 7));
    }

    #[tokio::test]
    async fn a_log_that_was_written_anew_contradicts_a_checkpoint() {
        let log = Log::new().await;
        std::fs::remove_file(log.file()).unwrap();
        let elsewhere = log.config.checkpoint_file.clone().unwrap();
        let kept = std::fs::read_to_string(&elsewhere).unwrap();
        log.add(11).await;
        std::fs::write(&elsewhere, kept).unwrap();
        log.broken("is not the one that the checkpoint");
        std::fs::write(&elsewhere, "{}\n").unwrap();
        log.broken("is not signed");
        std::fs::write(&elsewhere, "").unwrap();
        log.broken("holds no checkpoint");
        drop(log.home);
    }

    #[tokio::test]
    async fn a_record_that_a_crash_cut_is_taken_off_and_a_changed_end_is_refused() {
        use std::io::Write as _;
        let log = Log::new().await;
        let mut file = std::fs::OpenOptions::new()
            .append(true)
            .open(log.file())
            .unwrap();
        file.write_all(b"{\"seq\":11,\"time\":").unwrap();
        log.add(1).await;
        assert_eq!(log.verify().unwrap().records, (1, 12));
        log.change(|mut lines| {
            lines.pop();
            lines.push("{\"seq\":11}");
            owned(lines)
        });
        let e = Audit::open(&log.config, Clock::system()).err().unwrap();
        assert_eq!(e.code, "LW-2032");
    }

    #[tokio::test]
    async fn many_callers_are_noted_at_once() {
        let log = Log::new().await;
        let audit = Audit::open(&log.config, Clock::system()).unwrap();
        let event = Event::new(Kind::Issue);
        let many = (0..300).map(|_| audit.note(&event));
        let done = futures::future::join_all(many).await;
        assert!(done.iter().all(Result::is_ok));
        drop(audit);
        assert_eq!(log.verify().unwrap().records.1, 311);
    }
}

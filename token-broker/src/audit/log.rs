//! The writer: whoever comes first makes the records of all waiting callers durable at once.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use runtime::directory::DataDirectory;
use runtime::error::Exit;
use runtime::{Clock, Problem};
use tokio::sync::{OwnedMutexGuard, oneshot};
use tokio::time::Instant;

use super::Config;
use super::checkpoint::Notary;
use super::record::{self, Event, Kind, time_text};
use super::segment::End;

/// Takes records. Clones are one log.
#[derive(Clone)]
pub struct Audit(Arc<Inner>);

struct Inner {
    directory: PathBuf,
    waiting: Mutex<Vec<Entry>>,
    writer: Arc<tokio::sync::Mutex<Writer>>,
}

type Entry = (Event, oneshot::Sender<()>);

impl Audit {
    /// Opens the log and notes that the process started.
    ///
    /// # Errors
    /// `LW-2032` when it can't be written or its end can't be read, `LW-4011` when another process writes it.
    pub fn open(config: &Config, clock: Clock) -> Result<Self, Problem> {
        let directory = &config.directory;
        let lock = DataDirectory::lock(directory)?;
        let failed = |e: std::io::Error| unusable(directory).caused_by(e);
        let end = End::find(directory).map_err(failed)?;
        let elsewhere = config.checkpoint_file.as_deref();
        let mut writer = Writer {
            noted: end.seq,
            noted_at: clock.micros(),
            end,
            notary: Notary::open(directory, elsewhere).map_err(failed)?,
            clock,
            records: config.checkpoint_records,
            pause: Duration::from_secs(config.checkpoint_seconds),
            _lock: lock,
        };
        let start = (Event::new(Kind::Start), oneshot::channel().0);
        writer.write(vec![start]).map_err(failed)?;
        Ok(Audit(Arc::new(Inner {
            directory: directory.clone(),
            waiting: Mutex::default(),
            writer: Arc::new(tokio::sync::Mutex::new(writer)),
        })))
    }

    /// Returns when the record is durable.
    ///
    /// # Errors
    /// `LW-2032` when it isn't: what it tells must not happen then.
    pub(crate) async fn note(&self, event: Event) -> Result<(), Problem> {
        let (send, mut durable) = oneshot::channel();
        self.waiting().push((event, send));
        let noted = tokio::select! {
            biased;
            noted = &mut durable => noted,
            writer = Arc::clone(&self.0.writer).lock_owned() => {
                self.flush(writer).await;
                durable.await
            }
        };
        noted.map_err(|_| unusable(&self.0.directory))
    }

    /// Writes a checkpoint if there were records since the last one.
    pub async fn checkpoint(&self) {
        let mut writer = Arc::clone(&self.0.writer).lock_owned().await;
        let done = tokio::task::spawn_blocking(move || writer.checkpoint());
        if let Err(e) = done.await {
            tracing::error!(error = %e, "a checkpoint of the audit log was not written");
        }
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Vec<Entry>> {
        self.0
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    async fn flush(&self, mut writer: OwnedMutexGuard<Writer>) {
        let batch = std::mem::take(&mut *self.waiting());
        if batch.is_empty() {
            return;
        }
        // A failure drops the senders: that is how callers hear of it.
        let done = tokio::task::spawn_blocking(move || {
            if let Err(e) = writer.write(batch) {
                tracing::error!(error = %e, "the audit log can't be written: no token is handed out");
            }
        });
        if let Err(e) = done.await {
            tracing::error!(error = %e, "the audit log was not written");
        }
    }
}

fn unusable(place: &Path) -> Problem {
    Problem::new(
        "LW-2032",
        format!("the audit log in {} can't be written, so no token is handed out.", place.display()),
        "see the log of the token-broker for the reason, free space on the disk, and check who may write there",
    )
    .exit(Exit::Io)
}

struct Writer {
    end: End,
    notary: Notary,
    clock: Clock,
    /// A checkpoint is due after so many records, or so long after the last one.
    records: u64,
    pause: Duration,
    /// The last record with a checkpoint, and when that was.
    noted: u64,
    noted_at: u64,
    _lock: DataDirectory,
}

impl Writer {
    /// Makes all durable, then says so to each.
    fn write(&mut self, batch: Vec<Entry>) -> std::io::Result<()> {
        let mut lines = Vec::with_capacity(batch.len() * 400);
        let (mut seq, mut hash) = (self.end.seq, self.end.hash.clone());
        let now = self.clock.micros();
        for (event, _) in &batch {
            seq += 1;
            hash = record::write(&mut lines, seq, now, &hash, event);
        }
        let began = Instant::now();
        let appended = self.end.append(&lines, seq, hash);
        runtime::metrics::token::audit_written(appended.is_ok(), began.elapsed());
        appended?;
        // Who no longer waits has lost nothing.
        for (_, done) in batch {
            let _ = done.send(());
        }
        let old = Duration::from_micros(now.saturating_sub(self.noted_at)) >= self.pause;
        if old || self.end.seq - self.noted >= self.records {
            self.checkpoint();
        }
        Ok(())
    }

    fn checkpoint(&mut self) {
        if self.noted == self.end.seq {
            return;
        }
        let now = self.clock.micros();
        match self
            .notary
            .note(self.end.seq, &self.end.hash, time_text(now))
        {
            Ok(()) => (self.noted, self.noted_at) = (self.end.seq, now),
            Err(e) => {
                tracing::error!(error = %e, "a checkpoint of the audit log can't be written; it is tried again")
            }
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.checkpoint();
    }
}

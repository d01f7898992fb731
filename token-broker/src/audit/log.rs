//! The writer: a thread that makes the records of all who wait durable at once, while others come together for its next
//! time.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use runtime::clock::Brake;
use runtime::directory::DataDirectory;
use runtime::error::Exit;
use runtime::grpc::Journal;
use runtime::{Clock, Problem};
use tokio::time::Instant;

use super::Config;
use super::checkpoint::Notary;
use super::desk::{Batch, Desk};
use super::record::{self, Event, Kind, time_text};
use super::segment::End;

/// How long records are waited for when the last ones came together: about what asking a quick disk costs. A slow one
/// gathers them by itself.
const GATHER: Duration = Duration::from_micros(100);

/// Takes records. Clones are one log.
#[derive(Clone)]
pub struct Audit {
    inner: Arc<Inner>,
    brake: bool,
}

struct Inner {
    directory: PathBuf,
    desk: Arc<Desk>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

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
        let desk = Arc::<Desk>::default();
        desk.note(&Event::new(Kind::Start));
        let start = desk.take(Batch::default());
        writer.write(&start).map_err(failed)?;
        desk.wrote(&start, true);
        let taken = Arc::clone(&desk);
        // A thread and no task: it waits for the disk all the time, and for it no caller has to be scheduled first.
        let thread = std::thread::Builder::new()
            .name("audit".to_owned())
            .spawn(move || writer.work(&taken))
            .map_err(failed)?;
        Ok(Audit {
            brake: false,
            inner: Arc::new(Inner {
                directory: directory.clone(),
                desk,
                thread: Mutex::new(Some(thread)),
            }),
        })
    }

    /// For tests under a paused clock: it stands still while a record is written.
    #[must_use]
    pub fn with_brake(mut self, brake: bool) -> Self {
        self.brake = brake;
        self
    }

    /// Returns when the record is durable.
    ///
    /// # Errors
    /// `LW-2032` when it isn't: what it tells must not happen then.
    pub(crate) async fn note(&self, event: &Event<'_>) -> Result<(), Problem> {
        let _brake = self.brake.then(Brake::new);
        self.durable(self.lay(event)).await
    }

    /// As [`Audit::note`] without waiting. Returns the record's number; until it is [done](Journal::done) what it tells
    /// must not happen.
    pub(crate) fn lay(&self, event: &Event<'_>) -> u64 {
        self.inner.desk.note(event)
    }

    async fn durable(&self, number: u64) -> Result<(), Problem> {
        let durable = self.inner.desk.durable(number).await;
        durable.map_err(|_| unusable(&self.inner.directory))
    }

    /// Whether the last records could not be written: then callers should hear so.
    pub(crate) fn fails(&self) -> bool {
        self.inner.desk.loses()
    }

    /// Writes a checkpoint if there were records since the last one.
    pub async fn checkpoint(&self) {
        if self.inner.desk.checkpoint().await.is_err() {
            tracing::error!("a checkpoint of the audit log was not written");
        }
    }
}

impl Journal for Audit {
    fn done(&self, number: u64) -> BoxFuture<'static, std::io::Result<()>> {
        let me = self.clone();
        async move { me.durable(number).await.map_err(std::io::Error::other) }.boxed()
    }
}

impl Drop for Inner {
    /// Waits for the thread: afterwards the log may be opened again.
    fn drop(&mut self) {
        self.desk.close();
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the audit log's writer crashed");
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
    /// Until nothing more can come.
    #[expect(
        clippy::disallowed_methods,
        reason = "it is a thread of its own, and what it waits for is that more come together"
    )]
    fn work(mut self, desk: &Desk) {
        let _left = Left(desk);
        let mut batch = Batch::default();
        let mut company = false;
        while desk.wait() {
            if company {
                // Where several ask at a time, the disk is asked once for all of them.
                std::thread::sleep(GATHER);
            }
            batch = desk.take(batch);
            company = batch.told().len() > 1;
            let written = self.write(&batch);
            desk.wrote(&batch, written.is_ok());
            if let Err(e) = written {
                tracing::error!(error = %e, "the audit log can't be written: no token is handed out");
            }
            let checkpoints = batch.checkpoints();
            let since = self.clock.micros().saturating_sub(self.noted_at);
            let old = Duration::from_micros(since) >= self.pause;
            if !checkpoints.is_empty() || old || self.end.seq - self.noted >= self.records {
                self.checkpoint();
            }
            for waiting in checkpoints {
                // Who no longer waits has lost nothing.
                let _ = waiting.send(());
            }
        }
    }

    /// Makes all durable.
    fn write(&mut self, batch: &Batch) -> std::io::Result<()> {
        let told = batch.told();
        if told.len() == 0 {
            return Ok(());
        }
        let mut lines = Vec::with_capacity(told.len() * 400);
        let (mut seq, mut hash) = (self.end.seq, self.end.hash.clone());
        let time = time_text(self.clock.micros());
        for told in told {
            seq += 1;
            hash = record::write(&mut lines, seq, &time, &hash, told);
        }
        let began = Instant::now();
        let appended = self.end.append(&lines, seq, hash);
        runtime::metrics::token::audit_written(appended.is_ok(), began.elapsed());
        appended
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

/// However the thread ends, nobody waits for it.
struct Left<'a>(&'a Desk);

impl Drop for Left<'_> {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.checkpoint();
    }
}

//! The writer: a thread that makes the records of all who wait durable at once, while others come together for its next
//! time.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use runtime::clock::Brake;
use runtime::directory::DataDirectory;
use runtime::error::Exit;
use runtime::{Clock, Problem};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Config;
use super::checkpoint::Notary;
use super::record::{self, Event, Kind, time_text};
use super::segment::End;

/// Records that are made durable at once: none waits for more than the disk needs for so many.
const AT_ONCE: usize = 4_096;

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
    /// Ends the thread when it is dropped.
    orders: Option<Sender<Order>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What the thread does, and whom it tells that it is done.
enum Order {
    Note(Told, oneshot::Sender<Done>),
    Checkpoint(oneshot::Sender<Done>),
}

/// See [`record::told`].
type Told = String;

type Entry = (Told, oneshot::Sender<Done>);

/// That it is done; and who else is to hear so. The first one tells the others when it drops this: tasks wake each other
/// within their runtime for a fraction of what a thread outside pays for each.
#[derive(Default)]
struct Done(Vec<oneshot::Sender<Done>>);

impl Drop for Done {
    fn drop(&mut self) {
        for other in self.0.drain(..) {
            // Who no longer waits has lost nothing.
            let _ = other.send(Done::default());
        }
    }
}

impl Done {
    /// Tells all of them.
    fn tell(mut all: Vec<oneshot::Sender<Done>>) {
        while let Some(first) = all.pop() {
            match first.send(Done(all)) {
                Ok(()) => return,
                // It no longer waits: another one tells the others.
                Err(mut back) => all = std::mem::take(&mut back.0),
            }
        }
    }
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
        let start = record::told(&Event::new(Kind::Start));
        let start = (start, oneshot::channel().0);
        writer.write(vec![start]).map_err(failed)?;
        let (orders, taken) = channel();
        // A thread and no task: it waits for the disk all the time, and for it no caller has to be scheduled first.
        let thread = std::thread::Builder::new()
            .name("audit".to_owned())
            .spawn(move || writer.work(&taken))
            .map_err(failed)?;
        Ok(Audit {
            brake: false,
            inner: Arc::new(Inner {
                directory: directory.clone(),
                orders: Some(orders),
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
    pub(crate) async fn note(&self, event: Event) -> Result<(), Problem> {
        let _brake = self.brake.then(Brake::new);
        let told = record::told(&event);
        // Not kept until it is written: its texts go where they came from.
        drop(event);
        let noted = self.order(|done| Order::Note(told, done));
        noted
            .await
            .map(drop)
            .map_err(|_| unusable(&self.inner.directory))
    }

    /// Writes a checkpoint if there were records since the last one.
    pub async fn checkpoint(&self) {
        if self.order(Order::Checkpoint).await.is_err() {
            tracing::error!("a checkpoint of the audit log was not written");
        }
    }

    /// What is answered is done; a thread that has ended answers nobody.
    fn order(&self, order: impl FnOnce(oneshot::Sender<Done>) -> Order) -> oneshot::Receiver<Done> {
        let (done, answer) = oneshot::channel();
        if let Some(orders) = &self.inner.orders {
            // Err: the thread has ended, and what comes back drops the sender.
            let _ = orders.send(order(done));
        }
        answer
    }
}

impl Drop for Inner {
    /// Waits for the thread: afterwards the log may be opened again.
    fn drop(&mut self) {
        self.orders = None;
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
    /// Until nobody is left who could order something.
    #[expect(
        clippy::disallowed_methods,
        reason = "it is a thread of its own, and what it waits for is that more come together"
    )]
    fn work(mut self, orders: &Receiver<Order>) {
        let mut company = false;
        while let Ok(first) = orders.recv() {
            if company {
                // Where several ask at a time, the disk is asked once for all of them.
                std::thread::sleep(GATHER);
            }
            let (mut batch, mut checkpoints) = (Vec::new(), Vec::new());
            for order in std::iter::once(first).chain(orders.try_iter().take(AT_ONCE)) {
                match order {
                    Order::Note(told, done) => batch.push((told, done)),
                    Order::Checkpoint(done) => checkpoints.push(done),
                }
            }
            company = batch.len() > 1;
            // A failure drops the senders: that is how callers hear of it.
            if let Err(e) = self.write(batch) {
                tracing::error!(error = %e, "the audit log can't be written: no token is handed out");
            }
            if !checkpoints.is_empty() {
                self.checkpoint();
            }
            Done::tell(checkpoints);
        }
    }

    /// Makes all durable, then says so to each.
    fn write(&mut self, batch: Vec<Entry>) -> std::io::Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        let mut lines = Vec::with_capacity(batch.len() * 400);
        let (mut seq, mut hash) = (self.end.seq, self.end.hash.clone());
        let now = self.clock.micros();
        let time = time_text(now);
        for (told, _) in &batch {
            seq += 1;
            hash = record::write(&mut lines, seq, &time, &hash, told);
        }
        let began = Instant::now();
        let appended = self.end.append(&lines, seq, hash);
        runtime::metrics::token::audit_written(appended.is_ok(), began.elapsed());
        appended?;
        Done::tell(batch.into_iter().map(|(_, done)| done).collect());
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

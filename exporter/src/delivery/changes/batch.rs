//! A batch of the ledger's on its way: what of it is sent, and how what came of it is stored.
//!
//! Mark and intents are stored before the first push, states and cursor after it, each in one transaction that names the
//! cursor it starts from. Whatever is interrupted is sent again under the same numbers.

use std::collections::{BTreeMap, BTreeSet};

use proto::feed::v1::Record;
use proto::ids::{Closing, TenantId};
use proto::kind::RecordKind;
use runtime::metrics::sinks as metrics;
use tokio::time::Instant;

use super::super::plan::{Delivered, digest, plan};
use super::course::{Course, Going};
use crate::cursor::{Cursor, marked};
use crate::delivery::wrote;
use crate::error::Error;
use crate::record;
use crate::sink::{Change, ChangeSink, Limits, Refusal, Taken};
use crate::store::{Place, Reject, Row, Store, Writes};

/// The longest reason that is stored.
const REASON: usize = 500;

/// What is to be sent of some records.
#[derive(Default)]
pub(crate) struct Batch {
    /// What goes, in order.
    pub changes: Vec<Change>,
    /// What the sink had before, of each change.
    known: Vec<Option<Delivered>>,
    /// Records that can't be told to the sink.
    rejects: Vec<Reject>,
    /// Every record of a kind that the sink wants.
    keys: Vec<(RecordKind, String)>,
    /// The snapshot that they are of, or nothing.
    seen: Closing,
}

/// A record as a sink is to have it.
pub(crate) struct Wanted {
    pub kind: RecordKind,
    pub key: String,
    pub closing: Closing,
    /// What is sent; `None` when it is to be removed.
    pub payload: Result<Option<Vec<u8>>, String>,
}

/// What a sink is to have of these records.
pub(crate) fn wanted(
    sink: &dyn ChangeSink,
    tenant: TenantId,
    records: &[Record],
) -> Result<Vec<Wanted>, Error> {
    let mut all = Vec::with_capacity(records.len());
    for r in records {
        let Some(kind) = RecordKind::from_name(&r.kind).filter(|k| sink.wants(*k)) else {
            continue;
        };
        let payload = match r.removed {
            true => Ok(None),
            false => match record::read(tenant, r)? {
                Some((kind, body)) => sink.render(tenant, kind, &r.key, &body),
                None => continue,
            },
        };
        all.push(Wanted {
            kind,
            key: r.key.clone(),
            closing: Closing(r.closing),
            payload,
        });
    }
    Ok(all)
}

impl Batch {
    /// Compares records with what the sink was sent. `seen` is the snapshot that they are of, and `floor` is above all
    /// numbers of a ledger that was lost.
    pub(super) async fn read(
        going: &Going<'_>,
        records: &[Record],
        seen: Closing,
        floor: Closing,
    ) -> Result<Batch, Error> {
        let wanted = wanted(going.course.sink, going.tenant, records)?;
        Batch::of(going, wanted, seen, floor).await
    }

    pub(super) async fn of(
        going: &Going<'_>,
        wanted: Vec<Wanted>,
        seen: Closing,
        floor: Closing,
    ) -> Result<Batch, Error> {
        let mut known = known(&going.course.store, &going.place, &wanted).await?;
        let mut batch = Batch {
            seen,
            ..Batch::default()
        };
        for Wanted {
            kind,
            key,
            closing,
            payload,
        } in wanted
        {
            batch.keys.push((kind, key.clone()));
            let payload = match payload {
                Ok(payload) => payload,
                Err(reason) => {
                    let reason = shortened(&reason);
                    let reject = Reject {
                        kind,
                        key,
                        closing,
                        reason,
                    };
                    batch.rejects.push(reject);
                    continue;
                }
            };
            let before = known.remove(&(kind.name(), key.clone()));
            let print = payload.as_deref().map(digest);
            let Some(closing) = plan(before.as_ref(), closing, print, floor) else {
                continue;
            };
            batch.changes.push(Change {
                kind,
                key,
                closing,
                payload,
                remote: before.as_ref().and_then(|k| k.remote.clone()),
            });
            batch.known.push(before);
        }
        Ok(batch)
    }

    /// What is stored before the first push. Rejects of older states have no meaning any more, but those that are sent
    /// again (`replay`), whose tries are counted.
    fn intents(&self, at: u64, replay: bool) -> Writes {
        let put = self.changes.iter().map(|c| row(c, false, c.remote.clone()));
        let seen = self.seen != Closing(0);
        let mut clear = self.keys.clone();
        if replay {
            let again: BTreeSet<_> = self
                .changes
                .iter()
                .map(|c| (c.kind.name(), &c.key))
                .collect();
            clear.retain(|(kind, key)| !again.contains(&(kind.name(), key)));
        }
        Writes {
            at,
            seen: self.seen,
            put: put.collect(),
            touch: if seen { self.keys.clone() } else { Vec::new() },
            clear,
            reject: self.rejects.clone(),
            ..Writes::default()
        }
    }
}

/// What the sink was sent of these, by kind and key.
pub(crate) async fn known(
    store: &Store,
    place: &Place,
    wanted: &[Wanted],
) -> Result<BTreeMap<(&'static str, String), Delivered>, Error> {
    let mut known = BTreeMap::new();
    let kinds: BTreeSet<_> = wanted.iter().map(|w| w.kind).collect();
    for kind in kinds {
        let of_kind = wanted.iter().filter(|w| w.kind == kind);
        let keys: Vec<_> = of_kind.map(|w| w.key.as_str()).collect();
        let rows = store.delivered(place, kind, &keys).await?;
        known.extend(rows.into_iter().map(|(key, d)| ((kind.name(), key), d)));
    }
    Ok(known)
}

fn row(change: &Change, sure: bool, remote: Option<String>) -> Row {
    Row {
        kind: change.kind,
        key: change.key.clone(),
        delivered: Delivered {
            closing: change.closing,
            digest: change.payload.as_deref().map(digest),
            sure,
            remote,
        },
    }
}

fn shortened(reason: &str) -> String {
    reason.chars().take(REASON).collect()
}

/// How many of the first changes go in one push.
fn fitting(changes: &[Change], limits: Limits) -> usize {
    let (mut bytes, mut n) = (0, 0);
    for change in changes.iter().take(limits.records.max(1)) {
        bytes += change.payload.as_ref().map_or(0, Vec::len) + change.key.len();
        if n > 0 && bytes > limits.bytes {
            break;
        }
        n += 1;
    }
    n
}

impl Going<'_> {
    /// Sends a batch and moves the cursor. False when another exporter moved it.
    pub(super) async fn deliver(
        &self,
        batch: Batch,
        from: &Cursor,
        to: &Cursor,
    ) -> Result<bool, Error> {
        self.send(batch, from, to, false).await
    }

    pub(super) async fn send(
        &self,
        batch: Batch,
        from: &Cursor,
        to: &Cursor,
        replay: bool,
    ) -> Result<bool, Error> {
        let Course { store, clock, .. } = self.course;
        let intents = batch.intents(clock.micros(), replay);
        self.rejected("unfit", &batch.rejects);
        if batch.changes.is_empty() {
            // The sink isn't touched, so it needs no mark.
            return store.advance(&self.place, from, to, &intents).await;
        }
        let mark = marked(from, to.mark);
        if !store.advance(&self.place, from, &mark, &intents).await? {
            return Ok(false);
        }
        let limits = self.course.sink.limits();
        let (mut changes, mut known) = (batch.changes.as_slice(), batch.known.as_slice());
        while !changes.is_empty() {
            let fits = fitting(changes, limits);
            let (taken, failed) = self.push(&changes[..fits]).await;
            let done = taken.len();
            let writes = self.taken(batch.seen, &changes[..done], &known[..done], taken);
            (changes, known) = (&changes[done..], &known[done..]);
            let next = if changes.is_empty() { to } else { &mark };
            if !store.advance(&self.place, &mark, next, &writes).await? {
                return Ok(false);
            }
            if let Some(e) = failed {
                return Err(e);
            }
        }
        Ok(true)
    }

    /// Pushes changes, in smaller parts where the sink wants that. Returns what became of the first of them, and why
    /// the others were not sent.
    async fn push(&self, changes: &[Change]) -> (Vec<Taken>, Option<Error>) {
        let (mut parts, mut taken) = (vec![changes], Vec::with_capacity(changes.len()));
        while let Some(part) = parts.pop() {
            match self.push_once(part).await {
                Ok(t) => taken.extend(t),
                Err(Halt::Content(reason)) if part.len() <= 1 => {
                    taken.push(Taken::Rejected { reason });
                }
                Err(Halt::Content(_)) => {
                    let (first, second) = part.split_at(part.len() / 2);
                    parts.extend([second, first]);
                }
                Err(Halt::Stop(e)) => return (taken, Some(e)),
            }
        }
        (taken, None)
    }

    async fn push_once(&self, part: &[Change]) -> Result<Vec<Taken>, Halt> {
        let Course {
            gate, sink, clock, ..
        } = self.course;
        let turn = gate.enter().await.map_err(Halt::Stop)?;
        let begun = Instant::now();
        let end = begun + sink.limits().timeout;
        // Requests begin within the term and end with the time-out, so that all is over when another one takes over.
        let until = self.term.end().map_or(end, |term| term.min(end));
        let answer = match begun < until {
            true => before(end, sink.push(self.tenant, part, until)).await,
            false => Err(Refusal::Late),
        };
        metrics::pushed(&self.course.name, outcome(&answer), begun.elapsed());
        let answer = answer.and_then(|taken| match taken.len() == part.len() {
            true => Ok(taken),
            false => Err(Refusal::Transient {
                why: format!("it answered {} of {} records", taken.len(), part.len()),
            }),
        });
        let random = super::super::spread(self.tenant, clock.micros());
        let refused = gate.note(answer.as_ref().err(), random);
        // Only now: whoever is next has to know what came of it.
        drop(turn);
        match (answer, refused) {
            (Ok(taken), _) => Ok(taken),
            (Err(Refusal::TooLarge), _) => Err(Halt::Content(Refusal::TooLarge.to_string())),
            (Err(Refusal::Permanent { why }), _) => Err(Halt::Content(why)),
            (Err(_), Some(e)) => Err(Halt::Stop(e)),
            (Err(source), None) => Err(Halt::Stop(Error::Refused {
                sink: self.course.name.clone(),
                source,
            })),
        }
    }

    /// What is stored after a push.
    fn taken(
        &self,
        seen: Closing,
        changes: &[Change],
        known: &[Option<Delivered>],
        taken: Vec<Taken>,
    ) -> Writes {
        let mut writes = Writes {
            at: self.course.clock.micros(),
            seen,
            ..Writes::default()
        };
        for ((change, known), taken) in changes.iter().zip(known).zip(taken) {
            let key = (change.kind, change.key.clone());
            match taken {
                Taken::Done { remote } => {
                    let remote = remote.or_else(|| change.remote.clone());
                    writes.put.push(row(change, true, remote));
                    writes.clear.push(key);
                }
                Taken::Rejected { reason } => {
                    // It has what it had before.
                    match known {
                        Some(delivered) => writes.put.push(Row {
                            kind: change.kind,
                            key: change.key.clone(),
                            delivered: delivered.clone(),
                        }),
                        None => writes.forget.push(key),
                    }
                    writes.reject.push(Reject {
                        kind: change.kind,
                        key: change.key.clone(),
                        closing: change.closing,
                        reason: shortened(&reason),
                    });
                }
            }
        }
        self.rejected("refused", &writes.reject);
        let done = changes.len() - writes.reject.len();
        self.wrote(done as u64);
        writes
    }

    fn rejected(&self, class: &'static str, rejects: &[Reject]) {
        let Course { name, .. } = self.course;
        metrics::rejected(name, class, rejects.len() as u64);
        if let Some(first) = rejects.first() {
            let (sink, kind, key, reason) = (name, first.kind.name(), &first.key, &first.reason);
            let records = rejects.len();
            tracing::warn!(sink, records, kind, key, reason, "a sink refuses records");
        }
    }

    fn wrote(&self, records: u64) {
        let Course {
            board,
            number,
            kind,
            ..
        } = self.course;
        wrote(board, *number, kind, self.tenant, records);
    }
}

/// Why a part of a batch was not taken.
enum Halt {
    /// Because of something in it.
    Content(String),
    /// For a reason that the other records meet too.
    Stop(Error),
}

fn outcome(answer: &Result<Vec<Taken>, Refusal>) -> &'static str {
    match answer {
        Ok(_) => "taken",
        Err(Refusal::Throttled { .. }) => "throttled",
        Err(Refusal::TooLarge) => "too_large",
        Err(Refusal::Unauthorized { .. }) => "unauthorized",
        Err(Refusal::Misplaced { .. }) => "misplaced",
        Err(Refusal::Unprepared { .. }) => "unprepared",
        Err(Refusal::Transient { .. }) => "transient",
        Err(Refusal::Permanent { .. }) => "refused",
        Err(Refusal::Late) => "late",
    }
}

/// Works until a moment. The moment is looked at before the work goes on: a process that was stopped in between does
/// nothing more of it.
async fn before<T>(
    end: Instant,
    work: impl Future<Output = Result<T, Refusal>>,
) -> Result<T, Refusal> {
    let slow = || Refusal::Transient {
        why: "it took too long".to_owned(),
    };
    let mut work = std::pin::pin!(work);
    let work = std::future::poll_fn(|cx| match Instant::now() < end {
        true => work.as_mut().poll(cx),
        false => std::task::Poll::Ready(Err(slow())),
    });
    tokio::time::timeout_at(end, work)
        .await
        .unwrap_or_else(|_| Err(slow()))
}

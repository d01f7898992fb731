//! The feed and a sink that owns its cursor, driving `exporter::cursor`.

use std::collections::BTreeMap;

use exporter::cursor::{Cursor, Taking, advanced, after_snapshot, marked, take};
use proto::ids::Closing;
use proto::rules::{Rule, on};

use super::World;
use super::tenant::Set;

type Row = (Closing, String, (Set, u8), Option<u8>);

/// The sink, and the batches on their way to it.
#[derive(Default)]
pub struct Sink {
    /// What it shows.
    pub rows: BTreeMap<(Set, u8), u8>,
    cursor: Cursor,
    air: Vec<Batch>,
}

#[derive(Clone)]
struct Batch {
    from: Cursor,
    to: Cursor,
    all: Option<BTreeMap<(Set, u8), u8>>,
    rows: Vec<Row>,
}

impl World {
    /// The sink asks for what follows its cursor.
    pub(super) fn ask(&mut self) {
        let (l, from) = (&self.ledger, self.sink.cursor.clone());
        let head = l.head();
        let knows = |c: Closing| c == Closing(0) || l.closings.contains(&c);
        let known = knows(from.as_of) && (knows(from.mark) || !on(Rule::MarkFirst));
        if !known && on(Rule::AsOf) {
            let batch = Batch {
                from,
                to: after_snapshot(head),
                all: Some(l.live()),
                rows: Vec::new(),
            };
            self.sink.air.push(batch);
            return;
        }
        let mut rows: Vec<Row> = l
            .rows
            .iter()
            .map(|(k, (v, closing))| (*closing, format!("{:?}/{}", k.0, k.1), *k, *v))
            .collect();
        rows.retain(|(closing, key, _, _)| {
            (*closing, key.as_str()) > (from.closing, from.key.as_str())
        });
        rows.sort();
        rows.truncate(self.r.usize(1..4));
        if let Some((closing, key, _, _)) = rows.last() {
            let to = Cursor {
                closing: *closing,
                key: key.clone(),
                as_of: head,
                mark: head,
            };
            self.sink.air.push(Batch {
                from,
                to,
                all: None,
                rows,
            });
        }
    }

    /// A batch arrives: late, twice, never, or as it should.
    pub(super) fn deliver(&mut self) {
        if self.sink.air.is_empty() {
            return;
        }
        let j = self.r.usize(..self.sink.air.len());
        let repeated = self.faults && self.r.f64() < 0.2;
        let batch = if repeated {
            self.sink.air[j].clone()
        } else {
            self.sink.air.swap_remove(j)
        };
        if self.faults && self.r.f64() < 0.1 {
            return;
        }
        let crash = self.faults && self.r.f64() < 0.1;
        let sink = &mut self.sink;
        if take(&sink.cursor, &batch.from) == Taking::Ignore {
            return;
        }
        sink.cursor = marked(&sink.cursor, batch.to.as_of);
        match batch.all {
            Some(all) => sink.rows = all,
            None => {
                for (_, _, key, value) in batch.rows {
                    match value {
                        Some(value) => sink.rows.insert(key, value),
                        None => sink.rows.remove(&key),
                    };
                }
            }
        }
        // Crashed before the cursor was stored?
        if !crash {
            sink.cursor = advanced(&sink.cursor, &batch.to);
        }
    }
}

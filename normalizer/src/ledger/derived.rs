//! Brings derived records to what they should be.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use proto::kind::RecordKind;
use runtime::db::Connection;

use super::bulk::{self, Shared};
use crate::error::Error;
use crate::history;
use crate::map::{self, Mapped};

/// By key: the body of the record, or that there is none.
pub(crate) type Wanted = BTreeMap<String, Option<Bytes>>;

/// Writes what differs, removes what is no more, and says how many records that changed.
pub(crate) async fn bring(
    c: &mut Connection,
    run: &Shared,
    kind: RecordKind,
    wanted: &Wanted,
) -> Result<u64, Error> {
    let shared = Shared {
        kind,
        source: None,
        ..*run
    };
    let keys: Vec<&str> = wanted.keys().map(String::as_str).collect();
    let mut changed = 0;
    for keys in keys.chunks(1_000) {
        let stored = bulk::existing(c, (run.tenant, kind), keys)
            .await
            .map_err(Error::db("read derived records"))?;
        let stored: HashMap<&str, _> = stored.iter().map(|r| (r.key.as_str(), r)).collect();
        let (mut write, mut remove, mut replaced) = (Vec::new(), Vec::new(), Vec::new());
        for key in keys {
            let row = stored.get(key);
            let before = row.filter(|r| !r.removed);
            match (wanted.get(*key).and_then(Option::as_ref), before) {
                (Some(body), before) => {
                    let hash = map::hash(kind, body);
                    if before.is_none_or(|r| r.hash != hash) {
                        replaced.extend(row.map(|r| r.id));
                        write.push(Mapped {
                            key: (*key).to_owned(),
                            hash,
                            body: body.clone(),
                        });
                    }
                }
                (None, Some(before)) => {
                    replaced.push(before.id);
                    remove.push(*key);
                }
                (None, None) => {}
            }
        }
        history::keep(c, &shared, &replaced).await?;
        bulk::upsert(c, shared, &write.iter().collect::<Vec<_>>())
            .await
            .map_err(Error::db("write derived records"))?;
        if !remove.is_empty() {
            bulk::remove(c, shared, &remove)
                .await
                .map_err(Error::db("remove derived records"))?;
        }
        changed += (write.len() + remove.len()) as u64;
    }
    Ok(changed)
}

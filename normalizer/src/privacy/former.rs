//! Former states of records know people too, also of records that are gone by now.

use proto::kind::RecordKind;
use runtime::db::{Connection, query};

use super::people::{Tie, is_about, tie};
use super::who::Person;
use crate::error::Error;

const FORGET: &str = "forget former states of records";

/// Forgets every former state that is tied to these people. Of their things, too: who had one before is no state of it
/// that anybody has to know.
pub(super) async fn forget(
    c: &mut Connection,
    tenant: i64,
    people: &[Person],
) -> Result<(), Error> {
    let kinds = RecordKind::ALL.into_iter();
    for kind in kinds.filter(|kind| tie(*kind) != Tie::None) {
        let sql = "SELECT replaced, key, body FROM record_history WHERE tenant = ? AND kind = ?";
        let q = query(sql).bind(tenant).bind(kind as i32);
        let (mut theirs, mut damaged) = (Vec::new(), false);
        q.each(
            c,
            |(replaced, key, body): (i64, String, Vec<u8>)| match is_about(
                kind, &key, &body, people,
            ) {
                Ok(true) => theirs.push((replaced, key)),
                Ok(false) => {}
                Err(_) => damaged = true,
            },
        )
        .await
        .map_err(Error::db(FORGET))?;
        if damaged {
            return Err(Error::Damaged {
                what: "former state of a record",
            });
        }
        for (replaced, key) in theirs {
            let sql = "DELETE FROM record_history WHERE tenant = ? AND replaced = ? AND kind = ? AND key = ?";
            let q = query(sql).bind(tenant).bind(replaced);
            let q = q.bind(kind as i32).bind(key);
            q.execute(c).await.map_err(Error::db(FORGET))?;
        }
    }
    Ok(())
}

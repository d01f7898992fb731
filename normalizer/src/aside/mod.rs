//! Objects that could not be read: kept apart with the reason and, sealed, with their source.

pub(crate) mod held;
pub(crate) mod replay;
pub(crate) mod source;

use proto::admin::v1::{ListSetAsideRequest, SetAside};
use proto::ids::TenantId;
use runtime::db::{Connection, query};
use runtime::row;

use crate::error::Error;
use crate::feed::unsigned;
use crate::ledger::pages::number;
use crate::map;
use source::Place;

const READ: &str = "read what was set aside";

/// Of a page no more sources are kept than these, in number and in bytes: where all objects are malformed, some of
/// them show why.
const MOST: usize = 100;
const MOST_BYTES: usize = 1 << 20;

row! {
    /// A stored object.
    pub(crate) struct Row {
        pub id: i64,
        pub tenant: String,
        pub dataset: String,
        pub run: i64,
        pub attempt: i64,
        pub sequence: u32,
        pub key: Option<String>,
        pub reason: String,
        pub at: i64,
        pub sealed_under: Option<String>,
        pub source: Option<Vec<u8>>,
    }
}

/// The page that objects were on.
pub(crate) struct Page<'a> {
    pub tenant: TenantId,
    pub dataset: &'a str,
    pub run: u64,
    pub attempt: u64,
    pub sequence: u32,
}

/// Which of a page's sources are kept.
pub(crate) fn kept(sources: &[String]) -> usize {
    let mut bytes = 0;
    let fits = |source: &&String| {
        bytes += source.len();
        bytes <= MOST_BYTES
    };
    sources.iter().take(MOST).take_while(fits).count()
}

/// What is stored of an object beside its key and reason.
pub(crate) struct Kept {
    /// The id of the key that its JSON is sealed under, and that.
    pub source: Option<(String, Vec<u8>)>,
    /// Of a user: the products that it shows all the same.
    pub skus: Option<String>,
    pub at: u64,
}

/// Stores an object.
pub(crate) async fn put(
    c: &mut Connection,
    (tenant, page): (i64, &Page<'_>),
    object: &map::SetAside,
    Kept { source, skus, at }: Kept,
) -> Result<(), Error> {
    let (under, source) = source.unzip();
    let sql = "INSERT INTO set_aside
        (tenant, dataset, run, attempt, sequence, key, reason, at, sealed_under, source, skus)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    query(sql)
        .bind(tenant)
        .bind(page.dataset)
        .bind(number(page.run))
        .bind(number(page.attempt))
        .bind(page.sequence)
        .bind(&object.key)
        .bind(&object.reason)
        .bind(number(at))
        .bind(under)
        .bind(source)
        .bind(skus)
        .execute(c)
        .await
        .map(drop)
        .map_err(Error::db("keep what was set aside"))
}

/// The newest objects that a request names. Without `sources` these stay where they are: they may be large.
pub(crate) async fn find(
    c: &mut Connection,
    which: &ListSetAsideRequest,
    limit: u32,
    sources: bool,
) -> Result<Vec<Row>, Error> {
    let sql = "SELECT s.id, t.tenant, s.dataset, s.run, s.attempt, s.sequence, s.key, s.reason, s.at, s.sealed_under,
            CASE WHEN ? = 1 THEN s.source END AS source
        FROM set_aside s JOIN tenant t ON t.id = s.tenant
        WHERE (? = '' OR t.tenant = ?) AND (? = '' OR s.dataset = ?) AND (? = 0 OR s.run = ?) AND (? = '' OR s.key = ?)
        ORDER BY s.id DESC LIMIT ?";
    let run = number(which.run);
    let mut q = query(sql).bind(sources);
    for text in [&which.tenant_id, &which.dataset] {
        q = q.bind(text).bind(text);
    }
    q.bind(run)
        .bind(run)
        .bind(&which.key)
        .bind(&which.key)
        .bind(limit)
        .fetch_all(c)
        .await
        .map_err(Error::db(READ))
}

/// One object with its source.
pub(crate) async fn one(c: &mut Connection, id: u64) -> Result<Option<Row>, Error> {
    let sql = "SELECT s.id, t.tenant, s.dataset, s.run, s.attempt, s.sequence, s.key, s.reason, s.at, s.sealed_under,
            s.source
        FROM set_aside s JOIN tenant t ON t.id = s.tenant WHERE s.id = ?";
    query(sql)
        .bind(number(id))
        .fetch_optional(c)
        .await
        .map_err(Error::db(READ))
}

impl Row {
    /// As operators see it: without its source.
    pub fn shown(&self) -> SetAside {
        SetAside {
            id: unsigned(self.id),
            tenant_id: self.tenant.clone(),
            dataset: self.dataset.clone(),
            run: unsigned(self.run),
            attempt: unsigned(self.attempt),
            sequence: self.sequence,
            key: self.key.clone().unwrap_or_default(),
            reason: self.reason.clone(),
            at: unsigned(self.at),
            source_kept: self.sealed_under.is_some(),
        }
    }

    /// What its source is bound to.
    pub fn place(&self) -> Place {
        let page = (unsigned(self.run), unsigned(self.attempt), self.sequence);
        Place::new(&self.tenant, &self.dataset, page, self.key.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_page_full_of_malformed_objects_some_are_kept() {
        let of = |n: usize, bytes: usize| vec!["x".repeat(bytes); n];
        assert_eq!(kept(&of(3, 10)), 3);
        assert_eq!(kept(&of(999, 10)), MOST);
        assert_eq!(kept(&of(3, MOST_BYTES / 2)), 2);
        assert_eq!(kept(&of(1, MOST_BYTES + 1)), 0);
    }
}

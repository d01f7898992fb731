//! Records as the feed sends them, and as JSON.

use proto::body::Body;
use proto::feed::v1::Record;
use proto::ids::TenantId;
use proto::kind::RecordKind;
use proto::shape::{self, Column};
use serde::Serialize;

use crate::config::{Selection, Shown};
use crate::error::Error;

/// The projection of users.
pub(crate) const LICENSE_ASSIGNMENT: &str = "license_assignment";

/// Reads a record; `None` when this release doesn't know its kind.
pub(crate) fn read(tenant: TenantId, record: &Record) -> Result<Option<(RecordKind, Body)>, Error> {
    let Some(kind) = RecordKind::from_name(&record.kind) else {
        return Ok(None);
    };
    let body = body(tenant, kind, &record.body)?;
    Ok(body.map(|body| (kind, body)))
}

/// Reads what is in a record; `None` of the kind that is none.
pub(crate) fn body(
    tenant: TenantId,
    kind: RecordKind,
    message: &[u8],
) -> Result<Option<Body>, Error> {
    Body::decode(kind, message).map_err(|e| unreadable(tenant, kind.name(), e))
}

/// The kinds that a sink shows: those of the ledger, and the projection.
pub(crate) fn kinds() -> impl Iterator<Item = &'static str> + Clone {
    RecordKind::ALL
        .into_iter()
        .map(RecordKind::name)
        .chain([LICENSE_ASSIGNMENT])
}

/// The columns of a kind, in the order of its message; none of one that this release doesn't know.
pub(crate) fn columns(kind: &str) -> &'static [Column] {
    match RecordKind::from_name(kind) {
        Some(kind) => kind.columns(),
        None if kind == LICENSE_ASSIGNMENT => shape::columns("LicenseAssignment"),
        None => &[],
    }
}

/// Appends a message as JSON: lowerCamelCase, zeros and false written, absent values as null.
pub(crate) fn json<M: Serialize>(message: &M, out: &mut Vec<u8>) -> serde_json::Result<()> {
    serde_json::to_writer(out, message)
}

/// Appends the fields of a record that a sink shows, under the names that it gives them, as JSON.
pub(crate) fn chosen(
    selection: &Selection,
    kind: RecordKind,
    body: &Body,
    out: &mut Vec<u8>,
) -> serde_json::Result<()> {
    if selection.is_whole(kind.name()) {
        return json(body, out);
    }
    let mut fields = serde_json::to_value(body)?;
    let mut chosen = serde_json::Map::new();
    for Shown { column, name, .. } in selection.columns(kind.name()) {
        let value = fields.get_mut(column.json).map(serde_json::Value::take);
        let name = name.unwrap_or_else(|| column.json.to_owned());
        chosen.insert(name, value.unwrap_or_default());
    }
    json(&chosen, out)
}

/// A record that can't be read or written.
pub(crate) fn unreadable(
    tenant: TenantId,
    kind: &str,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> Error {
    Error::Record {
        tenant,
        kind: kind.to_owned(),
        source: source.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_columns_and_begins_with_its_tenant() {
        assert!(kinds().all(|kind| columns(kind)[0].name == "tenant_id"));
        let names: Vec<_> = columns("user").iter().map(|c| c.json).collect();
        assert_eq!(names[..3], ["tenantId", "userId", "userPrincipalName"]);
    }
}

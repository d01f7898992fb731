//! A row, and why it was not written.

use std::io;
use std::path::Path;

use proto::body::Body;
use proto::ids::TenantId;
use proto::inventory::v1::LicenseAssignment;
use serde::{Serialize, Serializer};

use crate::cells::Mismatch;
use crate::error::Error;
use crate::record::unreadable;

/// A row of a kind.
pub(crate) enum Row<'a> {
    /// A record of the ledger.
    Record(&'a Body),
    /// A row that lives inside a user.
    Assignment(&'a LicenseAssignment),
}

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Row::Record(body) => body.serialize(serializer),
            Row::Assignment(row) => row.serialize(serializer),
        }
    }
}

/// Why a row was not written.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The disk.
    Io(io::Error),
    /// The row. The text names fields, never their content.
    Row(Box<dyn std::error::Error + Send + Sync>),
}

impl Fault {
    /// Says of what.
    pub(crate) fn of(self, path: &Path, tenant: TenantId, kind: &str) -> Error {
        match self {
            Fault::Io(source) => Error::File {
                path: path.to_owned(),
                source,
            },
            Fault::Row(source) => unreadable(tenant, kind, source),
        }
    }

    /// The same where no row is at hand.
    pub(crate) fn at(self, path: &Path) -> Error {
        let source = match self {
            Fault::Io(source) => source,
            Fault::Row(source) => io::Error::new(io::ErrorKind::InvalidData, source),
        };
        Error::File {
            path: path.to_owned(),
            source,
        }
    }
}

impl From<io::Error> for Fault {
    fn from(e: io::Error) -> Self {
        Fault::Io(e)
    }
}

impl From<Mismatch> for Fault {
    fn from(e: Mismatch) -> Self {
        Fault::Row(Box::new(e))
    }
}

impl From<serde_json::Error> for Fault {
    fn from(e: serde_json::Error) -> Self {
        Fault::Row(Box::new(e))
    }
}

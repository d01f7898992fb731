//! A snapshot becomes files: one pass, in constant memory, hashed while it is written.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use proto::body::Body;
use proto::feed::v1::Record;
use proto::ids::TenantId;
use proto::inventory::v1::LicenseAssignment;
use proto::kind::RecordKind;

use super::index::Content;
use crate::error::Error;
use crate::project::{self, Assignments};
use crate::record::{self, LICENSE_ASSIGNMENT, unreadable};
use crate::sink::format::{Encoding, Fault, Row, Rows, sort};
use crate::wire::{Field, Fields};

/// A record on its way into files.
pub(in crate::sink) struct Read {
    kind: RecordKind,
    key: String,
    content: Held,
}

/// What is in a record.
enum Held {
    /// Its message, for formats that take it by its fields.
    Message(Vec<u8>),
    /// Read, with the rows that live inside it.
    Body(Body, Vec<LicenseAssignment>),
}

/// The rows that live inside a record.
fn inside(body: &Body) -> Vec<LicenseAssignment> {
    match body {
        Body::User(user) => project::license_assignments(user),
        _ => Vec::new(),
    }
}

/// Reads records as far as their files need it; kinds that this release doesn't know are left out.
pub(in crate::sink) fn read(
    tenant: TenantId,
    encoding: &Encoding,
    records: Vec<Record>,
) -> Result<Vec<Read>, Error> {
    let whole = encoding.takes_fields();
    let mut all = Vec::with_capacity(records.len());
    for record in records {
        let Some(kind) = RecordKind::from_name(&record.kind) else {
            continue;
        };
        let content = match whole {
            true => Held::Message(record.body),
            false => match record::body(tenant, kind, &record.body)? {
                Some(body) => {
                    let rows = inside(&body);
                    Held::Body(body, rows)
                }
                None => continue,
            },
        };
        all.push(Read {
            kind,
            key: record.key,
            content,
        });
    }
    Ok(all)
}

/// Writes the files of one snapshot.
pub(in crate::sink) struct Renderer<'e> {
    tenant: TenantId,
    records: BTreeMap<RecordKind, Part<'e>>,
    assignments: Option<Part<'e>>,
}

impl<'e> Renderer<'e> {
    /// For the files of these kinds in an empty directory. A kind of which there is nothing gets no file there: most
    /// tenants have few kinds, and each file costs the disk.
    pub(in crate::sink) fn new(
        tenant: TenantId,
        encoding: &'e Encoding,
        dir: &Path,
        kinds: &[&'static str],
    ) -> Self {
        let part = |kind: &'static str| Part {
            tenant,
            encoding,
            kind,
            path: encoding.file(dir, kind),
            rows: None,
            count: 0,
            last: String::new(),
            sorted: true,
        };
        let records = kinds
            .iter()
            .filter_map(|kind| Some((RecordKind::from_name(kind)?, part(kind))));
        let assignments = kinds.contains(&LICENSE_ASSIGNMENT);
        Renderer {
            tenant,
            records: records.collect(),
            assignments: assignments.then(|| part(LICENSE_ASSIGNMENT)),
        }
    }

    /// Writes records; those of other kinds are left out.
    pub(in crate::sink) fn write(&mut self, records: &[Read]) -> Result<(), Error> {
        for Read { kind, key, content } in records {
            match content {
                Held::Body(body, assignments) => self.body(*kind, key, body, assignments)?,
                Held::Message(message) => self.message(*kind, key, message)?,
            }
        }
        Ok(())
    }

    fn body(
        &mut self,
        kind: RecordKind,
        key: &str,
        body: &Body,
        assignments: &[LicenseAssignment],
    ) -> Result<(), Error> {
        if let Some(part) = self.records.get_mut(&kind) {
            part.row(key, &Row::Record(body))?;
        }
        if let Some(part) = &mut self.assignments {
            for row in assignments {
                part.row(key, &Row::Assignment(row))?;
            }
        }
        Ok(())
    }

    /// A record that was not read. What its file can't take like that is.
    fn message(&mut self, kind: RecordKind, key: &str, message: &[u8]) -> Result<(), Error> {
        let tenant = self.tenant;
        let assignments = self.assignments.as_mut();
        let assignments = assignments.filter(|_| kind == RecordKind::User);
        let read = || record::body(tenant, kind, message);
        let fields = Fields::new(message).all();
        let rows = match (&fields, &assignments) {
            (Ok(fields), Some(_)) => Assignments::of(fields).map(Some),
            _ => Ok(None),
        };
        let (Ok(fields), Ok(rows)) = (fields, rows) else {
            return match read()? {
                Some(body) => self.body(kind, key, &body, &inside(&body)),
                None => Ok(()),
            };
        };
        if let Some(part) = self.records.get_mut(&kind)
            && !part.fields(key, &fields)?
            && let Some(body) = read()?
        {
            part.row(key, &Row::Record(&body))?;
        }
        if let (Some(part), Some(rows)) = (assignments, rows) {
            rows.each(|row| match part.fields(key, row)? {
                true => Ok(()),
                // Its fields are in order, so it is a text.
                false => Err(unreadable(
                    tenant,
                    LICENSE_ASSIGNMENT,
                    "a text in it is not UTF-8",
                )),
            })?;
        }
        Ok(())
    }

    /// Completes the files: when it returns, the disk has them.
    pub(in crate::sink) fn finish(self) -> Result<BTreeMap<String, Content>, Error> {
        let parts = self.records.into_values().chain(self.assignments);
        parts.map(Part::finish).collect()
    }
}

/// The file of a kind.
struct Part<'e> {
    tenant: TenantId,
    encoding: &'e Encoding,
    kind: &'static str,
    path: PathBuf,
    /// None until there is something to write.
    rows: Option<Box<dyn Rows>>,
    count: u64,
    /// The newest key: ledgers send keys in ascending order.
    last: String,
    sorted: bool,
}

impl<'e> Part<'e> {
    fn row(&mut self, key: &str, row: &Row<'_>) -> Result<(), Error> {
        self.put(key, |rows| rows.row(row).map(|()| true)).map(drop)
    }

    /// Whether a row could be taken by its fields.
    fn fields(&mut self, key: &str, fields: &[Field<'_>]) -> Result<bool, Error> {
        self.put(key, |rows| rows.fields(fields))
    }

    fn put(
        &mut self,
        key: &str,
        write: impl FnOnce(&mut dyn Rows) -> Result<bool, Fault>,
    ) -> Result<bool, Error> {
        let rows = match &mut self.rows {
            Some(rows) => Ok(rows),
            none => self
                .encoding
                .begin(self.kind, &self.path)
                .map(|rows| none.insert(rows)),
        };
        let written = rows.and_then(|rows| write(rows.as_mut()));
        let written = written.map_err(|fault| fault.of(&self.path, self.tenant, self.kind))?;
        if written {
            self.sorted &= self.last.as_str() <= key;
            self.last.clear();
            self.last.push_str(key);
            self.count += 1;
        }
        Ok(written)
    }

    fn finish(self) -> Result<(String, Content), Error> {
        let Part { path, kind, .. } = self;
        let content = match self.rows {
            None => Ok(Content::default()),
            Some(rows) => rows.finish().and_then(|written| {
                let unsorted = self.encoding.sorts() && !self.sorted;
                let written = if unsorted { sort(&path)? } else { written };
                Ok(Content::new(self.count, written))
            }),
        };
        let content = content.map_err(|fault| fault.of(&path, self.tenant, kind))?;
        Ok((kind.to_owned(), content))
    }
}

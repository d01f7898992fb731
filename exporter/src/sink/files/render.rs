//! A snapshot becomes files: one pass, in constant memory, hashed while it is written.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use prost::Message as _;
use proto::body::Body;
use proto::feed::v1::Record;
use proto::ids::TenantId;
use proto::inventory::v1::LicenseAssignment;
use proto::kind::RecordKind;

use super::index::Content;
use crate::error::Error;
use crate::project;
use crate::record::{self, LICENSE_ASSIGNMENT, unreadable};
use crate::sink::format::{Encoding, Fault, Row, Rows, sort};
use crate::wire::{Fields, Value};

/// A record on its way into files.
pub(in crate::sink) struct Read {
    kind: RecordKind,
    key: String,
    content: Held,
}

/// What is in a record.
enum Held {
    /// Its message, for formats that take it as it is, with those of the rows that live inside it.
    Message(Vec<u8>, Vec<u8>),
    /// Read, with the rows that live inside it.
    Body(Body, Vec<LicenseAssignment>),
}

impl Held {
    fn read(body: Body) -> Self {
        let assignments = match &body {
            Body::User(user) => project::license_assignments(user),
            _ => Vec::new(),
        };
        Held::Body(body, assignments)
    }
}

/// Reads records as far as their files need it; kinds that this release doesn't know are left out.
pub(in crate::sink) fn read(
    tenant: TenantId,
    encoding: &Encoding,
    records: Vec<Record>,
) -> Result<Vec<Read>, Error> {
    let messages = encoding.takes_messages();
    let assignments = encoding.kinds().any(|kind| kind == LICENSE_ASSIGNMENT);
    let mut all = Vec::with_capacity(records.len());
    for record in records {
        let Some(kind) = RecordKind::from_name(&record.kind) else {
            continue;
        };
        let rows = match kind {
            _ if !messages => None,
            RecordKind::User if assignments => project::messages(&record.body).ok(),
            _ => Some(Vec::new()),
        };
        let content = match rows {
            Some(rows) => Held::Message(record.body, rows),
            None => match record::body(tenant, kind, &record.body)? {
                Some(body) => Held::read(body),
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
    encoding: &'e Encoding,
    files: BTreeMap<&'static str, Part>,
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
        let files = kinds
            .iter()
            .map(|kind| (*kind, Part::new(encoding.file(dir, kind))));
        Renderer {
            tenant,
            encoding,
            files: files.collect(),
        }
    }

    /// Writes records; those of other kinds are left out.
    pub(in crate::sink) fn write(&mut self, records: &[Read]) -> Result<(), Error> {
        for Read { kind, key, content } in records {
            match content {
                Held::Body(body, assignments) => self.body(*kind, key, body, assignments)?,
                Held::Message(message, rows) => self.message(*kind, key, message, rows)?,
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
        self.row(kind.name(), key, &Row::Record(body))?;
        for row in assignments {
            self.row(LICENSE_ASSIGNMENT, key, &Row::Assignment(row))?;
        }
        Ok(())
    }

    /// A record that was not read. What a file can't take like that is.
    fn message(
        &mut self,
        kind: RecordKind,
        key: &str,
        message: &[u8],
        rows: &[u8],
    ) -> Result<(), Error> {
        let tenant = self.tenant;
        if !self.taken(kind.name(), key, message)?
            && let Some(body) = record::body(tenant, kind, message)?
        {
            self.row(kind.name(), key, &Row::Record(&body))?;
        }
        for field in Fields::new(rows) {
            let Ok((project::ROW, Value::Bytes(row))) = field else {
                continue;
            };
            if !self.taken(LICENSE_ASSIGNMENT, key, row)? {
                let row = LicenseAssignment::decode(row);
                let row = row.map_err(|e| unreadable(tenant, LICENSE_ASSIGNMENT, e))?;
                self.row(LICENSE_ASSIGNMENT, key, &Row::Assignment(&row))?;
            }
        }
        Ok(())
    }

    fn row(&mut self, kind: &str, key: &str, row: &Row<'_>) -> Result<(), Error> {
        self.put(kind, key, |rows| rows.row(row).map(|()| true))
            .map(drop)
    }

    fn taken(&mut self, kind: &str, key: &str, message: &[u8]) -> Result<bool, Error> {
        self.put(kind, key, |rows| rows.message(message))
    }

    /// Whether a row was put into the file of its kind, where there is one.
    fn put(
        &mut self,
        kind: &str,
        key: &str,
        write: impl FnOnce(&mut dyn Rows) -> Result<bool, Fault>,
    ) -> Result<bool, Error> {
        let Some(part) = self.files.get_mut(kind) else {
            return Ok(true);
        };
        let written = part.put(self.encoding, kind, key, write);
        written.map_err(|fault| fault.of(&part.path, self.tenant, kind))
    }

    /// Completes the files: when it returns, the disk has them.
    pub(in crate::sink) fn finish(self) -> Result<BTreeMap<String, Content>, Error> {
        let Renderer {
            tenant,
            encoding,
            files,
        } = self;
        files
            .into_iter()
            .map(|(kind, part)| {
                let path = part.path.clone();
                let content = part.finish(encoding.sorts());
                let content = content.map_err(|fault| fault.of(&path, tenant, kind))?;
                Ok((kind.to_owned(), content))
            })
            .collect()
    }
}

/// The file of a kind.
struct Part {
    path: PathBuf,
    /// None until there is something to write.
    rows: Option<Box<dyn Rows>>,
    count: u64,
    /// The newest key: ledgers send keys in ascending order.
    last: String,
    sorted: bool,
}

impl Part {
    fn new(path: PathBuf) -> Self {
        Part {
            path,
            rows: None,
            count: 0,
            last: String::new(),
            sorted: true,
        }
    }

    fn put(
        &mut self,
        encoding: &Encoding,
        kind: &str,
        key: &str,
        write: impl FnOnce(&mut dyn Rows) -> Result<bool, Fault>,
    ) -> Result<bool, Fault> {
        let rows = match &mut self.rows {
            Some(rows) => rows,
            none => none.insert(encoding.begin(kind, &self.path)?),
        };
        let written = write(rows.as_mut())?;
        if written {
            self.sorted &= self.last.as_str() <= key;
            self.last.clear();
            self.last.push_str(key);
            self.count += 1;
        }
        Ok(written)
    }

    fn finish(self, sorts: bool) -> Result<Content, Fault> {
        let Some(rows) = self.rows else {
            return Ok(Content::default());
        };
        let mut written = rows.finish()?;
        if sorts && !self.sorted {
            written = sort(&self.path)?;
        }
        Ok(Content::new(self.count, written))
    }
}

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
use crate::project;
use crate::record::{self, LICENSE_ASSIGNMENT};
use crate::sink::format::{Encoding, Fault, Row, Rows, sort};

/// A record that was read, with the rows that live inside it.
pub(in crate::sink) struct Read {
    kind: RecordKind,
    key: String,
    body: Body,
    assignments: Vec<LicenseAssignment>,
}

/// Reads records; kinds that this release doesn't know are left out.
pub(in crate::sink) fn read(tenant: TenantId, records: Vec<Record>) -> Result<Vec<Read>, Error> {
    let mut all = Vec::with_capacity(records.len());
    for record in records {
        let Some((kind, body)) = record::read(tenant, &record)? else {
            continue;
        };
        let assignments = match &body {
            Body::User(user) => project::license_assignments(user),
            _ => Vec::new(),
        };
        all.push(Read {
            kind,
            key: record.key,
            body,
            assignments,
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
        for record in records {
            let key = &record.key;
            self.row(record.kind.name(), key, &Row::Record(&record.body))?;
            for row in &record.assignments {
                self.row(LICENSE_ASSIGNMENT, key, &Row::Assignment(row))?;
            }
        }
        Ok(())
    }

    fn row(&mut self, kind: &str, key: &str, row: &Row<'_>) -> Result<(), Error> {
        let Some(part) = self.files.get_mut(kind) else {
            return Ok(());
        };
        let written = part.row(self.encoding, kind, key, row);
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

    fn row(
        &mut self,
        encoding: &Encoding,
        kind: &str,
        key: &str,
        row: &Row<'_>,
    ) -> Result<(), Fault> {
        self.sorted &= self.last.as_str() <= key;
        self.last.clear();
        self.last.push_str(key);
        self.count += 1;
        let rows = match &mut self.rows {
            Some(rows) => rows,
            none => none.insert(encoding.begin(kind, &self.path)?),
        };
        rows.row(row)
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

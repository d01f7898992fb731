//! Records as rows of the sink's tables, in the text format of `COPY`. Pure.

use std::collections::BTreeMap;

use proto::feed::v1::Record;
use proto::ids::{Closing, TenantId};
use serde::Serialize;

use super::tables::Table;
use super::text::{self, END, NEXT};
use crate::cells;
use crate::error::Error;
use crate::project;
use crate::record::{self, LICENSE_ASSIGNMENT, columns, unreadable};

/// What a batch changes, by kind.
#[derive(Default)]
pub(super) struct Batch {
    /// Rows that are there afterwards.
    pub rows: BTreeMap<&'static str, Rows>,
    /// Keys of records that are gone.
    pub removed: BTreeMap<&'static str, Vec<String>>,
    /// Keys of users whose assignments are replaced.
    pub parents: Vec<String>,
    /// How many moments and days PostgreSQL can't hold, by kind and column: they are written as absent.
    pub odd: BTreeMap<(&'static str, &'static str), u64>,
}

/// Rows of a table.
#[derive(Default)]
pub(super) struct Rows {
    /// Their records' keys.
    pub keys: Vec<String>,
    /// As they are copied.
    pub lines: Vec<u8>,
}

/// Where a row comes from.
struct Origin<'r> {
    tenant: &'r str,
    key: &'r str,
    closing: Closing,
    /// Its place, of a row that lives inside a record.
    position: Option<usize>,
}

impl Batch {
    /// Reads records. Kinds that the sink has no table for are left out.
    pub fn read(tables: &[Table], tenant: TenantId, records: &[Record]) -> Result<Batch, Error> {
        // Of a record that comes twice the later state counts.
        let newest: BTreeMap<(&str, &str), &Record> = records
            .iter()
            .map(|r| ((r.kind.as_str(), r.key.as_str()), r))
            .collect();
        let mut batch = Batch::default();
        for record in newest.into_values() {
            batch.add(tables, tenant, record)?;
        }
        Ok(batch)
    }

    /// Keys of records whose rows of a table are removed.
    pub fn gone(&self, table: &Table) -> &[String] {
        match table.is_inside() {
            true => &self.parents,
            false => self.removed.get(table.kind).map_or(&[], Vec::as_slice),
        }
    }

    fn add(&mut self, tables: &[Table], tenant: TenantId, record: &Record) -> Result<(), Error> {
        let of = |kind: &str| tables.iter().find(|table| table.kind == kind);
        let (table, inside) = match record.kind.as_str() {
            "user" => (of("user"), of(LICENSE_ASSIGNMENT)),
            kind => (of(kind), None),
        };
        if inside.is_some() {
            self.parents.push(record.key.clone());
        }
        if record.removed {
            if let Some(table) = table {
                let removed = self.removed.entry(table.kind).or_default();
                removed.push(record.key.clone());
            }
            return Ok(());
        }
        if table.is_none() && inside.is_none() {
            return Ok(());
        }
        let Some((_, body)) = record::read(tenant, record)? else {
            return Ok(());
        };
        let id = tenant.to_string();
        let mut origin = Origin {
            tenant: &id,
            key: &record.key,
            closing: Closing(record.closing),
            position: None,
        };
        let told = |kind, e| unreadable(tenant, kind, e);
        if let Some(table) = table {
            self.row(table, &origin, &body)
                .map_err(|e| told(table.kind, e))?;
        }
        if let (Some(table), proto::body::Body::User(user)) = (inside, &body) {
            for (position, row) in project::license_assignments(user).iter().enumerate() {
                origin.position = Some(position);
                self.row(table, &origin, row)
                    .map_err(|e| told(table.kind, e))?;
            }
        }
        Ok(())
    }

    fn row<M: Serialize>(
        &mut self,
        table: &Table,
        origin: &Origin<'_>,
        record: &M,
    ) -> Result<(), cells::Mismatch> {
        let rows = self.rows.entry(table.kind).or_default();
        let out = &mut rows.lines;
        out.extend_from_slice(origin.tenant.as_bytes());
        out.push(NEXT);
        text::text(origin.key, out);
        out.push(NEXT);
        out.extend_from_slice(origin.closing.to_db().to_string().as_bytes());
        match origin.position {
            Some(position) => {
                out.push(NEXT);
                out.extend_from_slice(position.to_string().as_bytes());
            }
            None => rows.keys.push(origin.key.to_owned()),
        }
        let mut next = table.columns.iter().peekable();
        let mut place = 0;
        cells::each(record, columns(table.kind), &mut |column, cell| {
            if next.next_if(|field| field.place == place).is_some() {
                out.push(NEXT);
                if !text::cell(column, &cell, out) {
                    *self.odd.entry((table.kind, column.name)).or_default() += 1;
                }
            }
            place += 1;
            Ok(())
        })?;
        out.push(END);
        Ok(())
    }
}

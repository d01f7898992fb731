//! Apache Parquet: the Arrow schema comes from the columns, which are called in `snake_case`.
//!
//! Texts, booleans and 32-bit numbers are themselves, moments are microseconds in UTC, days are days, lists of texts are
//! lists, lists of objects are JSON. Compressed by Zstandard. Row groups end before they are large, so that memory
//! doesn't grow with the file.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::builder::{
    ArrayBuilder, BooleanBuilder, Date32Builder, Int32Builder, ListBuilder, StringBuilder,
    TimestampMicrosecondBuilder,
};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef, TimeUnit};
use chrono::{DateTime, NaiveDate};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::FileReader as _;
use parquet::file::serialized_reader::SerializedFileReader;
use parquet::file::writer::SerializedFileWriter;
use proto::shape::ColumnKind;

use super::output::{Output, Written};
use super::picked::Picked;
use super::{Encoding, Fault, Row, Rows};
use crate::cells::Cell;

/// Rows that are handed over together.
const BATCH_ROWS: usize = 4_096;

/// Texts that are handed over together, about.
const BATCH_BYTES: usize = 4 << 20;

/// A row group ends with this many rows, or with this size in memory.
const GROUP_ROWS: usize = 256 << 10;
const GROUP_BYTES: usize = 32 << 20;

/// A file of columns.
pub(super) struct Parquet {
    writer: ArrowWriter<Output>,
    schema: SchemaRef,
    picked: Picked,
    columns: Vec<Builder>,
    rows: usize,
    bytes: usize,
}

/// The values of a column that wait.
enum Builder {
    Texts(ListBuilder<StringBuilder>),
    Text(StringBuilder),
    Boolean(BooleanBuilder),
    Integer(Int32Builder),
    Moment(TimestampMicrosecondBuilder),
    Day(Date32Builder),
}

impl Parquet {
    pub(super) fn new(encoding: &Encoding, kind: &str, output: Output) -> Result<Self, Fault> {
        let picked = Picked::new(&encoding.shows, kind);
        let schema = schema(&picked);
        let writer =
            ArrowWriter::try_new(output, schema.clone(), Some(properties())).map_err(fault)?;
        Ok(Parquet {
            writer,
            schema,
            columns: picked
                .shown
                .iter()
                .map(|s| Builder::new(s.column.kind))
                .collect(),
            picked,
            rows: 0,
            bytes: 0,
        })
    }

    fn pass(&mut self) -> Result<(), Fault> {
        let arrays = self.columns.iter_mut().map(Builder::array).collect();
        let batch = RecordBatch::try_new(self.schema.clone(), arrays).map_err(arrow)?;
        (self.rows, self.bytes) = (0, 0);
        self.writer.write(&batch).map_err(fault)?;
        if self.writer.memory_size() >= GROUP_BYTES {
            self.writer.flush().map_err(fault)?;
        }
        Ok(())
    }
}

impl Rows for Parquet {
    fn row(&mut self, row: &Row<'_>) -> Result<(), Fault> {
        let (columns, bytes) = (&mut self.columns, &mut self.bytes);
        self.picked
            .each(row, |place, _, cell| match columns.get_mut(place) {
                Some(column) => column.push(cell, bytes),
                None => Ok(()),
            })?;
        self.rows += 1;
        if self.rows >= BATCH_ROWS || self.bytes >= BATCH_BYTES {
            self.pass()?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<Written, Fault> {
        if self.rows > 0 {
            self.pass()?;
        }
        Ok(self.writer.into_inner().map_err(fault)?.finish()?)
    }
}

impl Builder {
    fn new(kind: ColumnKind) -> Self {
        match kind {
            ColumnKind::Text | ColumnKind::Objects => Builder::Text(StringBuilder::new()),
            ColumnKind::Boolean => Builder::Boolean(BooleanBuilder::new()),
            ColumnKind::Integer => Builder::Integer(Int32Builder::new()),
            ColumnKind::Moment => {
                Builder::Moment(TimestampMicrosecondBuilder::new().with_timezone("UTC"))
            }
            ColumnKind::Day => Builder::Day(Date32Builder::new()),
            ColumnKind::Texts => {
                let values = ListBuilder::new(StringBuilder::new());
                Builder::Texts(values.with_field(item()))
            }
        }
    }

    fn push(&mut self, cell: Cell<'_>, bytes: &mut usize) -> Result<(), Fault> {
        match (self, cell) {
            (Builder::Text(values), Cell::Text(text)) => {
                *bytes += text.len();
                values.append_value(text);
            }
            (Builder::Text(values), Cell::Json(json)) => {
                *bytes += json.len();
                values.append_value(json);
            }
            (Builder::Text(values), Cell::Null) => values.append_null(),
            (Builder::Boolean(values), Cell::Boolean(yes)) => values.append_value(yes),
            (Builder::Boolean(values), Cell::Null) => values.append_null(),
            (Builder::Integer(values), Cell::Integer(n)) => {
                values.append_value(i32::try_from(n).map_err(|e| Fault::Row(e.into()))?);
            }
            (Builder::Integer(values), Cell::Null) => values.append_null(),
            (Builder::Moment(values), Cell::Text(text)) => values.append_option(moment(text)),
            (Builder::Moment(values), Cell::Null) => values.append_null(),
            (Builder::Day(values), Cell::Text(text)) => values.append_option(day(text)),
            (Builder::Day(values), Cell::Null) => values.append_null(),
            (Builder::Texts(values), Cell::Texts(texts)) => {
                *bytes += texts.iter().map(String::len).sum::<usize>();
                values.append_value(texts.into_iter().map(Some));
            }
            (Builder::Texts(values), Cell::Null) => values.append_null(),
            _ => return Err(Fault::Row("a value is not of its column's sort".into())),
        }
        Ok(())
    }

    fn array(&mut self) -> ArrayRef {
        match self {
            Builder::Texts(values) => Arc::new(values.finish()),
            Builder::Text(values) => ArrayBuilder::finish(values),
            Builder::Boolean(values) => ArrayBuilder::finish(values),
            Builder::Integer(values) => ArrayBuilder::finish(values),
            Builder::Moment(values) => ArrayBuilder::finish(values),
            Builder::Day(values) => ArrayBuilder::finish(values),
        }
    }
}

/// Microseconds since 1970; nothing for a text that is no moment.
fn moment(text: &str) -> Option<i64> {
    Some(DateTime::parse_from_rfc3339(text).ok()?.timestamp_micros())
}

/// Days since 1970; nothing for a text that is no day.
fn day(text: &str) -> Option<i32> {
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    let days = day.signed_duration_since(NaiveDate::default()).num_days();
    i32::try_from(days).ok()
}

fn item() -> Field {
    Field::new("item", DataType::Utf8, false)
}

fn schema(picked: &Picked) -> SchemaRef {
    let fields = picked
        .shown
        .iter()
        .zip(picked.names())
        .map(|(shown, name)| {
            let kind = shown.column.kind;
            let sort = match kind {
                ColumnKind::Text | ColumnKind::Objects => DataType::Utf8,
                ColumnKind::Boolean => DataType::Boolean,
                ColumnKind::Integer => DataType::Int32,
                ColumnKind::Moment => {
                    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
                }
                ColumnKind::Day => DataType::Date32,
                ColumnKind::Texts => DataType::List(Arc::new(item())),
            };
            // A text that should be a moment and isn't becomes nothing.
            let loose = matches!(kind, ColumnKind::Moment | ColumnKind::Day);
            Field::new(name, sort, shown.column.optional || loose)
        });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn properties() -> WriterProperties {
    WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .set_created_by("Leastwise".to_owned())
        .build()
}

/// Puts parts together: their row groups are copied as they are.
pub(super) fn join(
    encoding: &Encoding,
    kind: &str,
    parts: &[(&str, PathBuf)],
    to: &Path,
) -> Result<Written, Fault> {
    let output = Output::create(to)?;
    let Some((_, first)) = parts.first() else {
        return Box::new(Parquet::new(encoding, kind, output)?).finish();
    };
    let metadata = open(first)?.0.metadata().file_metadata().clone();
    // With the Arrow schema that the first one carries.
    let about: Option<Vec<KeyValue>> = metadata.key_value_metadata().cloned();
    let properties = properties()
        .into_builder()
        .set_key_value_metadata(about)
        .build();
    let schema = metadata.schema_descr().root_schema_ptr();
    let mut writer =
        SerializedFileWriter::new(output, schema, Arc::new(properties)).map_err(fault)?;
    for (_, part) in parts {
        let (reader, file) = open(part)?;
        for group in reader.metadata().row_groups() {
            let mut rows = writer.next_row_group().map_err(fault)?;
            for column in group.columns() {
                let close = ColumnCloseResult {
                    bytes_written: u64::try_from(column.compressed_size()).unwrap_or_default(),
                    rows_written: u64::try_from(group.num_rows()).unwrap_or_default(),
                    metadata: column.clone(),
                    bloom_filter: None,
                    column_index: None,
                    offset_index: None,
                };
                rows.append_column(&file, close).map_err(fault)?;
            }
            rows.close().map_err(fault)?;
        }
    }
    Ok(writer.into_inner().map_err(fault)?.finish()?)
}

fn open(path: &Path) -> Result<(SerializedFileReader<File>, File), Fault> {
    let file = File::open(path)?;
    let reader = SerializedFileReader::new(file.try_clone()?).map_err(fault)?;
    Ok((reader, file))
}

/// What the disk said keeps its sort: a full one is told from others by it.
fn fault(e: ParquetError) -> Fault {
    match e {
        ParquetError::External(e) => match e.downcast::<io::Error>() {
            Ok(e) => Fault::Io(*e),
            Err(e) => Fault::Row(e),
        },
        other => Fault::Row(Box::new(other)),
    }
}

fn arrow(e: ArrowError) -> Fault {
    Fault::Row(Box::new(e))
}

#[cfg(test)]
#[path = "parquet_tests.rs"]
mod tests;

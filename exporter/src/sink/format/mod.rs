//! Formats of files: how records become a file. One format a file below; each writes the columns that the contracts tell.

pub(super) mod csv;
mod frames;
mod ndjson;
pub(super) mod output;
mod pack;
#[cfg(feature = "parquet")]
mod parquet;
mod picked;
mod row;
mod transcode;
mod xlsx;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub(crate) use ndjson::{Shape, sort};
pub(crate) use output::{Output, Written, hex};
pub(crate) use row::{Fault, Row};

use crate::config::Selection;
use crate::error::Error;
use crate::record::kinds;
use crate::wire::Field;
use pack::Packed;

/// What files are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// JSON lines.
    #[default]
    Ndjson,
    /// Comma-separated values (RFC 4180).
    Csv,
    /// Apache Parquet.
    Parquet,
    /// One workbook for Excel.
    Xlsx,
}

/// How files of texts are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// `.gz`.
    Gzip,
    /// `.zst`.
    Zstd,
}

/// How CSV is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CsvOptions {
    /// A file begins with a byte order mark, by which Excel knows UTF-8.
    pub bom: bool,
    /// A text that a spreadsheet would take for a formula gets a `'` before it.
    pub inert: bool,
}

impl Default for CsvOptions {
    fn default() -> Self {
        CsvOptions {
            bom: false,
            inert: true,
        }
    }
}

/// Writes the rows of one kind into one file.
pub(crate) trait Rows: Send {
    /// Takes a row.
    fn row(&mut self, row: &Row<'_>) -> Result<(), Fault>;

    /// Takes a row by the fields of its message, or leaves it to be read and given as one.
    fn fields(&mut self, _: &[Field<'_>]) -> Result<bool, Fault> {
        Ok(false)
    }

    /// Completes the file: when it returns, the disk has it.
    fn finish(self: Box<Self>) -> Result<Written, Fault>;
}

/// How the records of a sink become files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Encoding {
    pub format: Format,
    pub compression: Option<Compression>,
    pub csv: CsvOptions,
    pub shows: Selection,
}

/// A file that people read, made from the parts of some kinds.
pub(crate) struct Target {
    /// Its name.
    pub name: String,
    /// What it shows.
    pub kinds: Vec<&'static str>,
}

impl Encoding {
    /// Checks what the types can't; `sink` is its name.
    ///
    /// # Errors
    /// `LW-6001`.
    pub(crate) fn check(&self, sink: &str) -> Result<(), Error> {
        let wrong = |why: &str| Err(Error::settings(sink, why));
        self.shows.check(sink)?;
        let text = matches!(self.format, Format::Ndjson | Format::Csv);
        if self.compression.is_some() && !text {
            return wrong(
                "`compression` is for NDJSON and CSV; Parquet and XLSX compress by themselves",
            );
        }
        if self.csv != CsvOptions::default() && self.format != Format::Csv {
            return wrong("the section `csv` is for the format CSV");
        }
        if self.kinds().next().is_none() {
            return wrong(
                "it would show nothing: `shows.kinds` names no kind that this format has",
            );
        }
        if self.format == Format::Parquet && !cfg!(feature = "parquet") {
            return Err(Error::NotBuilt {
                sink: sink.to_owned(),
                what: "Parquet",
            });
        }
        Ok(())
    }

    /// The kinds that it shows.
    pub(crate) fn kinds(&self) -> impl Iterator<Item = &'static str> + Clone {
        kinds().filter(|kind| {
            self.shows.shows(kind) && (self.format != Format::Xlsx || xlsx::KINDS.contains(kind))
        })
    }

    /// How names of its files end.
    pub(crate) fn suffix(&self) -> String {
        let format = match self.format {
            Format::Ndjson => "ndjson",
            Format::Csv => "csv",
            Format::Parquet => "parquet",
            // What a workbook is made from, which nobody else reads.
            Format::Xlsx => "records",
        };
        match self.compression {
            None => format.to_owned(),
            Some(Compression::Gzip) => format!("{format}.gz"),
            Some(Compression::Zstd) => format!("{format}.zst"),
        }
    }

    /// Where the rows of a kind are written in a directory.
    pub(crate) fn file(&self, dir: &Path, kind: &str) -> PathBuf {
        dir.join(format!("{kind}.{}", self.suffix()))
    }

    /// Begins the file of a kind.
    pub(crate) fn begin(&self, kind: &str, path: &Path) -> Result<Box<dyn Rows>, Fault> {
        let output = Output::create(path)?;
        Ok(match self.format {
            Format::Ndjson => Box::new(ndjson::Ndjson::new(self, kind, output)?),
            Format::Csv => Box::new(csv::Csv::new(self, kind, output)?),
            Format::Xlsx => Box::new(frames::Frames::new(output)),
            #[cfg(feature = "parquet")]
            Format::Parquet => Box::new(parquet::Parquet::new(self, kind, output)?),
            #[cfg(not(feature = "parquet"))]
            Format::Parquet => return Err(Fault::Io(std::io::ErrorKind::Unsupported.into())),
        })
    }

    /// The files that people read, where all tenants stand in the same ones.
    pub(crate) fn targets(&self) -> Vec<Target> {
        if self.format == Format::Xlsx {
            let (name, kinds) = (xlsx::NAME.to_owned(), self.kinds().collect());
            return vec![Target { name, kinds }];
        }
        let target = |kind| Target {
            name: format!("{kind}.{}", self.suffix()),
            kinds: vec![kind],
        };
        self.kinds().map(target).collect()
    }

    /// Whether one part alone is the file that people read.
    pub(crate) fn is_target(&self) -> bool {
        self.format != Format::Xlsx
    }

    /// Makes the file that people read from parts of its kinds, which come in the order in which they shall stand.
    pub(crate) fn join(
        &self,
        target: &Target,
        parts: &[(&str, PathBuf)],
        to: &Path,
    ) -> Result<Written, Fault> {
        let kind = target.kinds.first().copied().unwrap_or_default();
        match self.format {
            Format::Ndjson => pack::join(&[], self.compression, parts, to),
            Format::Csv => pack::join(&csv::head(self, kind)?, self.compression, parts, to),
            Format::Xlsx => xlsx::workbook(&self.shows, parts, to),
            #[cfg(feature = "parquet")]
            Format::Parquet => parquet::join(self, kind, parts, to),
            #[cfg(not(feature = "parquet"))]
            Format::Parquet => Err(Fault::Io(std::io::ErrorKind::Unsupported.into())),
        }
    }

    /// Whether rows are taken by the fields of their messages, so that reading them would be in vain.
    pub(crate) fn takes_fields(&self) -> bool {
        self.format == Format::Ndjson && self.kinds().all(|kind| self.shows.is_whole(kind))
    }

    /// Whether a file whose lines came in another order than that of the keys can be brought into it.
    pub(crate) fn sorts(&self) -> bool {
        self.format == Format::Ndjson && self.compression.is_none()
    }

    /// What tells files that were written like this from others.
    pub(crate) fn fingerprint(&self) -> String {
        // Of such a value always possible; if it weren't, files would only be made anew.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Every name that a file of any format may have in a directory where all tenants stand in the same files.
    pub(crate) fn any_names() -> impl Iterator<Item = String> {
        let suffixes = [
            "ndjson",
            "csv",
            "parquet",
            "ndjson.gz",
            "ndjson.zst",
            "csv.gz",
            "csv.zst",
        ];
        kinds()
            .flat_map(move |kind| suffixes.map(|suffix| format!("{kind}.{suffix}")))
            .chain([xlsx::NAME.to_owned()])
    }
}

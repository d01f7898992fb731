//! One workbook with the sheets Position, Findings, Users and Reconciliation (Office Open XML, ECMA-376).
//!
//! The first row has the columns' names in `snake_case`, stays in sight and filters. Numbers are numbers, moments and
//! days are Excel's (in UTC), texts are texts and never formulas, lists are joined by "; ". Excel has limits: what does
//! not fit on a sheet goes on on a further one, a text is cut with a mark.

mod sheet;
mod text;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use proto::body::Body;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use self::sheet::Sheet;
use super::frames::Reader;
use super::output::{Output, Written};
use super::picked::Picked;
use super::{Fault, Row};
use crate::config::Selection;

/// What the workbook is called.
pub(super) const NAME: &str = "inventory.xlsx";

/// What it shows.
pub(super) const KINDS: [&str; 3] = ["license_position", "finding", "user"];

/// Columns of positions that tell why Microsoft counts otherwise, on a sheet of their own beside what identifies a
/// product.
const WHOSE: [&str; 4] = ["tenantId", "skuId", "skuPartNumber", "productName"];
const RECONCILED: [&str; 5] = [
    "assigned",
    "consumedUnits",
    "residual",
    "reconciled",
    "unexplained",
];

/// Excel's limit, with the row of names.
const MOST_ROWS: u32 = 1_048_576;

/// A sheet goes on on a further one after so much text: archives have a limit of 4 GiB for a file in them.
const MOST_BYTES: u64 = 3 << 30;

struct Plan {
    name: &'static str,
    kind: &'static str,
    columns: fn(&str) -> bool,
}

const PLANS: [Plan; 4] = [
    Plan {
        name: "Position",
        kind: "license_position",
        columns: |column| !RECONCILED[1..].contains(&column),
    },
    Plan {
        name: "Findings",
        kind: "finding",
        columns: |_| true,
    },
    Plan {
        name: "Users",
        kind: "user",
        columns: |_| true,
    },
    Plan {
        name: "Reconciliation",
        kind: "license_position",
        columns: |column| WHOSE.contains(&column) || RECONCILED.contains(&column),
    },
];

/// Makes the workbook from the parts of its kinds.
pub(super) fn workbook(
    shows: &Selection,
    parts: &[(&str, PathBuf)],
    to: &Path,
) -> Result<Written, Fault> {
    workbook_of(shows, parts, to, MOST_ROWS)
}

fn workbook_of(
    shows: &Selection,
    parts: &[(&str, PathBuf)],
    to: &Path,
    most_rows: u32,
) -> Result<Written, Fault> {
    let mut book = Book {
        zip: ZipWriter::new_stream(Output::create(to)?),
        sheets: Vec::new(),
    };
    for plan in PLANS.iter().filter(|plan| shows.shows(plan.kind)) {
        let picked = Picked::new(shows, plan.kind).only(plan.columns);
        let mut pages = 0;
        let mut files = parts.iter().filter(|(kind, _)| *kind == plan.kind);
        let mut from = None;
        let mut waiting = next(&mut from, &mut files)?;
        // At least one sheet, though there is nothing on it.
        while pages == 0 || waiting.is_some() {
            pages += 1;
            let name = match pages {
                1 => plan.name.to_owned(),
                n => format!("{} ({n})", plan.name),
            };
            book.open(name)?;
            let mut sheet = Sheet::begin(&mut book.zip, &picked)?;
            while let Some(body) = waiting.take() {
                sheet.row(&picked, &Row::Record(&body))?;
                waiting = next(&mut from, &mut files)?;
                if sheet.rows() == most_rows || sheet.bytes() >= MOST_BYTES {
                    break;
                }
            }
            sheet.end()?;
        }
    }
    book.end()
}

/// The next record of a kind, from whatever file it is in.
fn next<'a>(
    from: &mut Option<Reader>,
    files: &mut impl Iterator<Item = &'a (&'a str, PathBuf)>,
) -> Result<Option<Body>, Fault> {
    loop {
        if let Some(reader) = from
            && let Some(body) = reader.next()?
        {
            return Ok(Some(body));
        }
        match files.next() {
            None => return Ok(None),
            Some((kind, path)) => *from = Some(Reader::open(kind, path)?),
        }
    }
}

/// The archive that a workbook is.
struct Book {
    zip: ZipWriter<zip::write::StreamWriter<Output>>,
    sheets: Vec<String>,
}

const MAIN: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
const DOCUMENT: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
const PACKAGE: &str = "http://schemas.openxmlformats.org/package/2006";
const TYPE: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml";
const XML: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>"#;

impl Book {
    /// Begins a file in the archive. All have the same moment, so that the same content is the same file.
    fn file(&mut self, name: &str) -> Result<(), Fault> {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .compression_level(Some(1))
            .last_modified_time(DateTime::default());
        self.zip.start_file(name, options).map_err(fault)
    }

    fn open(&mut self, name: String) -> Result<(), Fault> {
        self.sheets.push(name);
        self.file(&format!("xl/worksheets/sheet{}.xml", self.sheets.len()))
    }

    fn end(mut self) -> Result<Written, Fault> {
        let (mut types, mut sheets, mut links) = (String::new(), String::new(), String::new());
        for (n, name) in (1..).zip(&self.sheets) {
            types += &format!(
                r#"<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="{TYPE}.worksheet+xml"/>"#
            );
            sheets += &format!(r#"<sheet name="{name}" sheetId="{n}" r:id="rId{n}"/>"#);
            links += &format!(
                r#"<Relationship Id="rId{n}" Type="{DOCUMENT}/worksheet" Target="worksheets/sheet{n}.xml"/>"#
            );
        }
        let files = [
            (
                "xl/workbook.xml",
                format!(
                    r#"{XML}<workbook xmlns="{MAIN}" xmlns:r="{DOCUMENT}"><bookViews><workbookView/></bookViews><sheets>{sheets}</sheets></workbook>"#
                ),
            ),
            (
                "xl/_rels/workbook.xml.rels",
                format!(
                    r#"{XML}<Relationships xmlns="{PACKAGE}/relationships">{links}<Relationship Id="styles" Type="{DOCUMENT}/styles" Target="styles.xml"/></Relationships>"#
                ),
            ),
            ("xl/styles.xml", format!("{XML}{}", sheet::styles())),
            (
                "_rels/.rels",
                format!(
                    r#"{XML}<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="rId1" Type="{DOCUMENT}/officeDocument" Target="xl/workbook.xml"/></Relationships>"#
                ),
            ),
            (
                "[Content_Types].xml",
                format!(
                    r#"{XML}<Types xmlns="{PACKAGE}/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/xl/workbook.xml" ContentType="{TYPE}.sheet.main+xml"/><Override PartName="/xl/styles.xml" ContentType="{TYPE}.styles+xml"/>{types}</Types>"#
                ),
            ),
        ];
        for (name, text) in files {
            self.file(name)?;
            self.zip.write_all(text.as_bytes())?;
        }
        let output = self.zip.finish().map_err(fault)?;
        Ok(output.into_inner().finish()?)
    }
}

fn fault(e: zip::result::ZipError) -> Fault {
    match e {
        zip::result::ZipError::Io(e) => Fault::Io(e),
        other => Fault::Row(Box::new(other)),
    }
}

#[cfg(test)]
mod tests;

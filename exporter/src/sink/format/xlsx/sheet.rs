//! A sheet, row by row, in constant memory.

use std::fmt::Write as _;
use std::io::Write;

use proto::shape::ColumnKind;

use super::text::{day, escape, moment};
use crate::cells::Cell;
use crate::sink::format::picked::Picked;
use crate::sink::format::{Fault, Row};

/// Places in the list of formats below.
const HEAD: u8 = 1;
const MOMENT: u8 = 2;
const DAY: u8 = 3;

/// The formats of cells.
pub(super) fn styles() -> String {
    let main = super::MAIN;
    format!(
        r#"<styleSheet xmlns="{main}"><numFmts count="2"><numFmt numFmtId="164" formatCode="yyyy\-mm\-dd\ hh:mm:ss"/><numFmt numFmtId="165" formatCode="yyyy\-mm\-dd"/></numFmts><fonts count="2"><font><sz val="11"/><name val="Calibri"/></font><font><b/><sz val="11"/><name val="Calibri"/></font></fonts><fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill></fills><borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders><cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs><cellXfs count="4"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/><xf numFmtId="0" fontId="1" fillId="0" borderId="0" xfId="0" applyFont="1"/><xf numFmtId="164" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/><xf numFmtId="165" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/></cellXfs><cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>"#
    )
}

/// A sheet that is being written.
pub(super) struct Sheet<'z, W: Write> {
    to: &'z mut W,
    /// The letters of each column.
    letters: Vec<String>,
    cells: Vec<String>,
    line: String,
    rows: u32,
    bytes: u64,
}

impl<'z, W: Write> Sheet<'z, W> {
    pub(super) fn begin(to: &'z mut W, picked: &Picked) -> Result<Self, Fault> {
        let columns = picked.shown.len();
        let mut sheet = Sheet {
            to,
            letters: (0..columns).map(letters).collect(),
            cells: vec![String::new(); columns],
            line: format!(
                r#"{}<worksheet xmlns="{}"><sheetViews><sheetView workbookViewId="0"><pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews><cols><col min="1" max="{columns}" width="20" customWidth="1"/></cols><sheetData>"#,
                super::XML,
                super::MAIN
            ),
            rows: 0,
            bytes: 0,
        };
        for (place, name) in picked.names().enumerate() {
            sheet.text(place, name, HEAD);
        }
        sheet.pass()?;
        Ok(sheet)
    }

    /// Rows so far, with that of the names.
    pub(super) fn rows(&self) -> u32 {
        self.rows
    }

    /// Size so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn row(&mut self, picked: &Picked, row: &Row<'_>) -> Result<(), Fault> {
        picked.each(row, |place, shown, cell| {
            match cell {
                Cell::Null => {}
                Cell::Boolean(yes) => self.value(place, r#" t="b""#, u8::from(yes)),
                Cell::Integer(n) => self.value(place, "", n),
                Cell::Text(text) => self.written(place, shown.column.kind, text),
                Cell::Texts(texts) => self.text(place, &texts.join("; "), 0),
                Cell::Json(json) => self.text(place, &json, 0),
            }
            Ok::<_, Fault>(())
        })?;
        self.pass()
    }

    /// A moment or day that Excel doesn't know stays a text.
    fn written(&mut self, place: usize, kind: ColumnKind, text: &str) {
        let (number, format) = match kind {
            ColumnKind::Moment => (moment(text), MOMENT),
            ColumnKind::Day => (day(text), DAY),
            _ => (None, 0),
        };
        match number {
            Some(number) => self.value(place, &format!(r#" s="{format}""#), number),
            None => self.text(place, text, 0),
        }
    }

    fn value(&mut self, place: usize, attributes: &str, value: impl std::fmt::Display) {
        let row = self.rows + 1;
        if let (Some(letters), Some(cell)) = (self.letters.get(place), self.cells.get_mut(place)) {
            // Writing to a String can't fail.
            let _ = write!(
                cell,
                r#"<c r="{letters}{row}"{attributes}><v>{value}</v></c>"#
            );
        }
    }

    fn text(&mut self, place: usize, text: &str, format: u8) {
        let row = self.rows + 1;
        if let (Some(letters), Some(cell)) = (self.letters.get(place), self.cells.get_mut(place)) {
            let _ = write!(
                cell,
                r#"<c r="{letters}{row}" t="inlineStr" s="{format}"><is><t xml:space="preserve">"#
            );
            escape(text, cell);
            cell.push_str("</t></is></c>");
        }
    }

    /// Writes the row that is in hand.
    fn pass(&mut self) -> Result<(), Fault> {
        self.rows += 1;
        let _ = write!(self.line, r#"<row r="{}">"#, self.rows);
        for cell in &mut self.cells {
            self.line.push_str(cell);
            cell.clear();
        }
        self.line.push_str("</row>");
        self.flush()
    }

    fn flush(&mut self) -> Result<(), Fault> {
        self.to.write_all(self.line.as_bytes())?;
        self.bytes += self.line.len() as u64;
        self.line.clear();
        Ok(())
    }

    pub(super) fn end(mut self) -> Result<(), Fault> {
        let last = self.letters.last().map_or("A", String::as_str);
        let _ = write!(
            self.line,
            r#"</sheetData><autoFilter ref="A1:{last}{}"/></worksheet>"#,
            self.rows
        );
        self.flush()
    }
}

/// A, B, … Z, AA, …
fn letters(column: usize) -> String {
    let letter = char::from(b'A' + u8::try_from(column % 26).unwrap_or(0));
    match column / 26 {
        0 => letter.to_string(),
        more => letters(more - 1) + &letter.to_string(),
    }
}

#[test]
fn columns_have_letters() {
    let all = [0, 25, 26, 51, 52, 701, 702].map(letters);
    assert_eq!(all, ["A", "Z", "AA", "AZ", "BA", "ZZ", "AAA"]);
}

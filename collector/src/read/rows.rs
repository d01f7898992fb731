//! The file of a usage report as objects, one a row: cells by their columns' names. Pure.

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};

use crate::read::csv::Csv;

/// The column that every report has: what hasn't is something else, a proxy's page most likely.
const PROOF: &str = "Report Refresh Date";

/// A file that comes in pieces.
#[derive(Default)]
pub struct Rows {
    csv: Csv,
    header: Option<Vec<String>>,
    as_of: Option<String>,
}

impl Rows {
    /// Takes the next piece; an empty one is the end of the file.
    pub fn feed(&mut self, piece: &[u8]) {
        self.csv.feed(piece);
    }

    /// The next row that is whole.
    ///
    /// # Errors
    /// When this is no usage report, or a damaged one: nothing of it counts.
    pub fn next_row(&mut self) -> Result<Option<Box<RawValue>>, &'static str> {
        while let Some(record) = self.csv.next() {
            let Some(header) = &self.header else {
                self.header = Some(columns(record)?);
                continue;
            };
            if record.len() != header.len() {
                return Err("a row with more or fewer cells than the header");
            }
            if self.as_of.is_none() {
                self.as_of = date(header, &record);
            }
            let row = to_raw_value(&Cells(header, &record));
            return row.map(Some).map_err(|_| "a row that is no text");
        }
        Ok(None)
    }

    /// The names of the columns in the order of the file; `None` before they were read.
    pub fn columns(&self) -> Option<&[String]> {
        self.header.as_deref()
    }

    /// The day that the report is of, once a row was read.
    pub fn as_of(&self) -> Option<&str> {
        self.as_of.as_deref()
    }
}

fn columns(mut header: Vec<String>) -> Result<Vec<String>, &'static str> {
    if let Some(first) = header.first_mut() {
        *first = first.trim_start_matches('\u{feff}').to_owned();
    }
    if !header.iter().any(|name| name == PROOF) {
        return Err("no usage report");
    }
    let mut sorted: Vec<&String> = header.iter().collect();
    sorted.sort_unstable();
    if sorted.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err("two columns of one name");
    }
    Ok(header)
}

/// The day that the report is of.
fn date(header: &[String], record: &[String]) -> Option<String> {
    let place = header.iter().position(|name| name == PROOF)?;
    let date = record.get(place)?.chars().take(10).collect::<String>();
    (!date.is_empty()).then_some(date)
}

/// A row as an object. Cells without content are left out: they tell nothing.
struct Cells<'a>(&'a [String], &'a [String]);

impl Serialize for Cells<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(Some(self.0.len()))?;
        let cells = self.0.iter().zip(self.1);
        for (name, cell) in cells.filter(|(_, cell)| !cell.is_empty()) {
            map.serialize_entry(name, cell)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(file: &str) -> (Rows, Result<Vec<String>, &'static str>) {
        let mut rows = Rows::default();
        rows.feed(file.as_bytes());
        rows.feed(b"");
        let mut all = Vec::new();
        let read = loop {
            match rows.next_row() {
                Ok(Some(row)) => all.push(row.get().to_owned()),
                Ok(None) => break Ok(all),
                Err(why) => break Err(why),
            }
        };
        (rows, read)
    }

    #[test]
    fn cells_are_found_by_their_columns_names() {
        let file = "\u{feff}Report Refresh Date,User Principal Name,Display Name,Send Count\r\n\
            2026-07-26,ada@contoso.com,\"Lovelace, \"\"Ada\"\"\",3\r\n2026-07-26,,,\r\n";
        let (report, read) = rows(file);
        let first = r#"{"Report Refresh Date":"2026-07-26","User Principal Name":"ada@contoso.com","Display Name":"Lovelace, \"Ada\"","Send Count":"3"}"#;
        assert_eq!(
            read.unwrap(),
            [first, r#"{"Report Refresh Date":"2026-07-26"}"#]
        );
        assert_eq!(report.as_of(), Some("2026-07-26"));
        assert_eq!(report.columns().unwrap()[0], PROOF);
    }

    #[test]
    fn a_report_without_rows_has_columns_all_the_same() {
        let (report, read) = rows("Report Refresh Date,Windows\n");
        assert_eq!(
            (read.unwrap().len(), report.columns().unwrap().len()),
            (0, 2)
        );
        assert!(rows("").0.columns().is_none());
    }

    #[test]
    fn what_is_no_report_is_refused() {
        let page = "<!DOCTYPE html>\n<html lang=\"en\">\n";
        assert_eq!(rows(page).1, Err("no usage report"));
        let foreign = "Berichtsaktualisierungsdatum,Benutzerprinzipalname\n2026-07-26,a@b\n";
        assert_eq!(rows(foreign).1, Err("no usage report"));
        let twice = "Report Refresh Date,Windows,Windows\n2026-07-26,1,2\n";
        assert_eq!(rows(twice).1, Err("two columns of one name"));
        let torn = "Report Refresh Date,Windows\n2026-07-26\n";
        assert_eq!(
            rows(torn).1,
            Err("a row with more or fewer cells than the header")
        );
    }
}

//! Rows that are printed as they come, for results that are too large to be kept.

use runtime::Problem;
use serde::Serialize;

use crate::output::{self, csv, failed};

/// How they are printed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One JSON array, a line for each row.
    Json,
    /// Comma-separated values with a header.
    Csv,
}

/// What has been printed.
pub struct Rows {
    form: Form,
    any: bool,
}

impl Rows {
    /// Nothing yet.
    pub fn new(form: Form) -> Rows {
        Rows { form, any: false }
    }

    /// Prints some more.
    ///
    /// # Errors
    /// When standard output can't be written.
    pub fn print<T: Serialize>(&mut self, rows: &[T]) -> Result<(), Problem> {
        let text = self.text(rows)?;
        output::write(&text)
    }

    /// Prints the end.
    ///
    /// # Errors
    /// As [`print`](Rows::print).
    pub fn end(self) -> Result<(), Problem> {
        output::write(match (self.form, self.any) {
            (Form::Csv, _) => "",
            (Form::Json, true) => "\n]\n",
            (Form::Json, false) => "[]\n",
        })
    }

    fn text<T: Serialize>(&mut self, rows: &[T]) -> Result<String, Problem> {
        if rows.is_empty() {
            return Ok(String::new());
        }
        let first = !std::mem::replace(&mut self.any, true);
        if self.form == Form::Csv {
            return csv(rows, first).map_err(failed);
        }
        let mut text = String::new();
        for (n, row) in rows.iter().enumerate() {
            text.push_str(match first && n == 0 {
                true => "[\n  ",
                false => ",\n  ",
            });
            text.push_str(&serde_json::to_string(row).map_err(failed)?);
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Row {
        n: u32,
    }

    #[test]
    fn batches_make_one_array_and_one_table() {
        let mut json = Rows::new(Form::Json);
        let text = [
            json.text(&[Row { n: 1 }, Row { n: 2 }]).unwrap(),
            json.text::<Row>(&[]).unwrap(),
            json.text(&[Row { n: 3 }]).unwrap(),
            "\n]\n".to_owned(),
        ];
        let all: serde_json::Value = serde_json::from_str(&text.concat()).unwrap();
        assert_eq!(all.as_array().unwrap().len(), 3);
        let mut csv = Rows::new(Form::Csv);
        let text = [
            csv.text(&[Row { n: 1 }]).unwrap(),
            csv.text(&[Row { n: 2 }]).unwrap(),
        ];
        assert_eq!(text.concat(), "n\n1\n2\n");
    }
}

//! CSV that comes in pieces (RFC 4180): records as soon as they are whole.

use std::collections::VecDeque;

use csv_core::{ReadRecordResult, Reader};

/// A reader that is fed.
pub struct Csv {
    reader: Reader,
    /// The cells of the record that is being read, without what is between them.
    text: Vec<u8>,
    written: usize,
    ends: Vec<usize>,
    cells: usize,
    records: VecDeque<Vec<String>>,
}

impl Default for Csv {
    fn default() -> Self {
        Csv {
            reader: Reader::new(),
            text: vec![0; 4_096],
            written: 0,
            ends: vec![0; 64],
            cells: 0,
            records: VecDeque::new(),
        }
    }
}

impl Csv {
    /// Takes the next piece; an empty one is the end of the file.
    pub fn feed(&mut self, mut piece: &[u8]) {
        loop {
            let (result, read, written, cells) = self.reader.read_record(
                piece,
                &mut self.text[self.written..],
                &mut self.ends[self.cells..],
            );
            piece = &piece[read..];
            self.written += written;
            self.cells += cells;
            match result {
                ReadRecordResult::InputEmpty | ReadRecordResult::End => return,
                ReadRecordResult::OutputFull => self.text.resize(self.text.len() * 2, 0),
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
                ReadRecordResult::Record => self.record(),
            }
        }
    }

    fn record(&mut self) {
        let mut from = 0;
        let cells = self.ends[..self.cells].iter().map(|end| {
            let cell = &self.text[from..*end];
            from = *end;
            String::from_utf8_lossy(cell).into_owned()
        });
        let record = cells.collect();
        self.records.push_back(record);
        (self.written, self.cells) = (0, 0);
    }

    /// The next record that is whole.
    pub fn next(&mut self) -> Option<Vec<String>> {
        self.records.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_any_size_give_the_same_records() {
        let long = "x".repeat(10_000);
        let text = format!("a,b\r\n\"1, \"\"2\"\"\n3\",ü\r\n{long},\r\nlast,9");
        let whole = [
            vec!["a".to_owned(), "b".to_owned()],
            vec!["1, \"2\"\n3".to_owned(), "ü".to_owned()],
            vec![long, String::new()],
            vec!["last".to_owned(), "9".to_owned()],
        ];
        for size in [1, 2, 3, 7, 4_096, 100_000] {
            let mut csv = Csv::default();
            text.as_bytes().chunks(size).for_each(|c| csv.feed(c));
            csv.feed(b"");
            let records: Vec<_> = std::iter::from_fn(|| csv.next()).collect();
            assert_eq!(records, whole, "{size}");
        }
    }

    #[test]
    fn many_columns_are_no_trouble() {
        let line = vec!["c"; 500].join(",");
        let mut csv = Csv::default();
        csv.feed(line.as_bytes());
        csv.feed(b"");
        assert_eq!(csv.next().unwrap().len(), 500);
    }
}

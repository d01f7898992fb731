//! Records as they are, each after its length: what a workbook is made from.

use std::fs::File;
use std::io::{self, BufReader, Read as _, Write as _};
use std::path::Path;

use proto::body::Body;
use proto::kind::RecordKind;

use super::output::{Output, Written};
use super::{Fault, Row, Rows};

/// A file of records.
pub(super) struct Frames(Output);

impl Frames {
    pub(super) fn new(output: Output) -> Self {
        Frames(output)
    }
}

impl Rows for Frames {
    fn row(&mut self, row: &Row<'_>) -> Result<(), Fault> {
        let Row::Record(body) = row else {
            return Err(Fault::Row(
                "a row that lives inside a record is no record".into(),
            ));
        };
        let bytes = body.encode();
        let length = u32::try_from(bytes.len()).map_err(|e| Fault::Row(e.into()))?;
        self.0.write_all(&length.to_le_bytes())?;
        Ok(self.0.write_all(&bytes)?)
    }

    fn finish(self: Box<Self>) -> Result<Written, Fault> {
        Ok(self.0.finish()?)
    }
}

/// Reads such a file, record by record.
pub(super) struct Reader {
    kind: RecordKind,
    from: BufReader<File>,
    bytes: Vec<u8>,
}

impl Reader {
    pub(super) fn open(kind: &str, path: &Path) -> Result<Self, Fault> {
        let kind = RecordKind::from_name(kind);
        Ok(Reader {
            kind: kind.ok_or_else(|| Fault::Row("its kind is none of the ledger's".into()))?,
            from: BufReader::with_capacity(256 << 10, File::open(path)?),
            bytes: Vec::new(),
        })
    }

    /// The next record; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Body>, Fault> {
        let mut length = [0; 4];
        match self.from.read_exact(&mut length) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(e) => return Err(e.into()),
        }
        self.bytes.resize(u32::from_le_bytes(length) as usize, 0);
        self.from.read_exact(&mut self.bytes)?;
        Body::decode(self.kind, &self.bytes).map_err(|e| Fault::Row(e.into()))
    }
}

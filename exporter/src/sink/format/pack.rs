//! Texts, compressed or not. Both ways of compression allow one file to be appended to another, which is how the parts
//! of tenants become one file.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use flate2::write::GzEncoder;

use super::output::{Output, Written, copy};
use super::{Compression, Fault};

/// Where a text goes.
pub(super) enum Packed<W: Write = Output> {
    Plain(W),
    Gzip(GzEncoder<W>),
    Zstd(zstd::Encoder<'static, W>),
}

impl<W: Write> Packed<W> {
    pub(super) fn new(compression: Option<Compression>, to: W) -> io::Result<Self> {
        Ok(match compression {
            None => Packed::Plain(to),
            Some(Compression::Gzip) => {
                Packed::Gzip(GzEncoder::new(to, flate2::Compression::fast()))
            }
            Some(Compression::Zstd) => Packed::Zstd(zstd::Encoder::new(to, 3)?),
        })
    }

    /// Ends the text and returns where it went.
    pub(super) fn end(self) -> io::Result<W> {
        match self {
            Packed::Plain(to) => Ok(to),
            Packed::Gzip(to) => to.finish(),
            Packed::Zstd(to) => to.finish(),
        }
    }
}

impl Packed<Output> {
    /// Has bytes appended, or nothing where that fails; to `spare`, which is empty, where they are compressed then.
    pub(super) fn append<E>(
        &mut self,
        spare: &mut Vec<u8>,
        append: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> io::Result<Result<(), E>> {
        let append = |out: &mut Vec<u8>| {
            let begin = out.len();
            let appended = append(out);
            if appended.is_err() {
                out.truncate(begin);
            }
            appended
        };
        if let Packed::Plain(to) = self {
            return to.append(append);
        }
        let appended = append(spare);
        self.write_all(spare)?;
        spare.clear();
        Ok(appended)
    }
}

impl<W: Write> Write for Packed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Packed::Plain(to) => to.write(bytes),
            Packed::Gzip(to) => to.write(bytes),
            Packed::Zstd(to) => to.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A text that stands at the beginning of each part, compressed for itself: so its length is known.
pub(super) fn pack(text: &[u8], compression: Option<Compression>) -> io::Result<Vec<u8>> {
    let mut packed = Packed::new(compression, Vec::new())?;
    packed.write_all(text)?;
    packed.end()
}

/// Puts parts that begin with `head` together.
pub(super) fn join(
    head: &[u8],
    compression: Option<Compression>,
    parts: &[(&str, PathBuf)],
    to: &Path,
) -> Result<Written, Fault> {
    let mut output = Output::create(to)?;
    let packed = pack(head, compression)?;
    // Without a head, its compressed nothing is for the file that would be no compressed file otherwise.
    let skip = if head.is_empty() {
        0
    } else {
        packed.len() as u64
    };
    if !head.is_empty() || parts.is_empty() {
        output.write_all(&packed)?;
    }
    for (_, part) in parts {
        copy(part, skip, &mut output)?;
    }
    Ok(output.finish()?)
}

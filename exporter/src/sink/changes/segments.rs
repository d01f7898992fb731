//! The files of the feed. Only the newest one grows; a further one begins with a new day, when it is large, and with
//! each snapshot.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use proto::ids::TenantId;
use runtime::Clock;

use crate::error::Error;
use crate::sink::files::disk;

/// The files of the feed.
pub(super) struct Segments {
    pub dir: PathBuf,
    /// A file that has so many bytes is followed by another.
    pub most_bytes: u64,
    /// Files of days before these are removed; absent: none.
    pub keep_days: Option<u32>,
    pub clock: Clock,
}

/// A file of the feed: its number, its day and where it is.
struct Segment {
    number: u64,
    day: String,
    path: PathBuf,
}

/// A snapshot that isn't in the feed yet.
pub(super) struct Snapshot {
    file: File,
    path: PathBuf,
    /// Taken into the feed.
    taken: bool,
}

impl Snapshot {
    pub(super) fn write(&mut self, lines: &[u8]) -> Result<(), Error> {
        self.file.write_all(lines).map_err(disk::at(&self.path))
    }

    pub(super) fn sync(&self) -> Result<(), Error> {
        self.file.sync_all().map_err(disk::at(&self.path))
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        if !self.taken {
            // What stays is replaced by the next one.
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Segments {
    /// Appends whole lines: when it returns, the disk has them.
    pub(super) fn append(&self, lines: &[u8]) -> Result<(), Error> {
        if lines.is_empty() {
            return Ok(());
        }
        let today = self.today();
        let newest = self.all()?.pop();
        let path = match newest {
            Some(s) if s.day == today && self.has_room(&s.path)? => s.path,
            newest => {
                if let Some(s) = &newest {
                    whole(&s.path)?;
                }
                let path = self.path(newest.map_or(1, |s| s.number + 1), &today);
                disk::create(&path)?;
                disk::sync_parent(&path)?;
                self.clean(&today)?;
                path
            }
        };
        let before = whole(&path)?;
        let mut file = OpenOptions::new()
            .append(true)
            .open(&path)
            .map_err(disk::at(&path))?;
        let written = file.write_all(lines).and_then(|()| file.sync_all());
        if written.is_err() {
            // Else the next one cuts it.
            let _ = file.set_len(before);
        }
        written.map_err(disk::at(&path))
    }

    /// A file for a snapshot.
    pub(super) fn snapshot(&self, tenant: TenantId) -> Result<Snapshot, Error> {
        let path = self.dir.join(format!(".snapshot-{tenant}.tmp"));
        let file = disk::create(&path)?;
        let taken = false;
        Ok(Snapshot { file, path, taken })
    }

    /// Makes a snapshot the newest file.
    pub(super) fn take(&self, mut snapshot: Snapshot) -> Result<(), Error> {
        let today = self.today();
        let newest = self.all()?.pop();
        if let Some(s) = &newest {
            whole(&s.path)?;
        }
        let path = self.path(newest.map_or(1, |s| s.number + 1), &today);
        disk::put(&snapshot.path, &path)?;
        snapshot.taken = true;
        self.clean(&today)
    }

    fn path(&self, number: u64, day: &str) -> PathBuf {
        self.dir.join(format!("changes-{number:010}-{day}.ndjson"))
    }

    fn has_room(&self, path: &Path) -> Result<bool, Error> {
        let bytes = fs::metadata(path).map_err(disk::at(path))?.len();
        Ok(bytes < self.most_bytes)
    }

    /// In the order of their numbers.
    fn all(&self) -> Result<Vec<Segment>, Error> {
        let mut all = Vec::new();
        for entry in fs::read_dir(&self.dir).map_err(disk::at(&self.dir))? {
            let path = entry.map_err(disk::at(&self.dir))?.path();
            let name = path.file_name().and_then(|n| n.to_str());
            let name = name.and_then(|n| n.strip_prefix("changes-")?.strip_suffix(".ndjson"));
            let parts = name.and_then(|n| n.split_once('-'));
            if let Some((number, day)) = parts
                && let Ok(number) = number.parse()
            {
                let day = day.to_owned();
                all.push(Segment { number, day, path });
            }
        }
        all.sort_by_key(|s| s.number);
        Ok(all)
    }

    fn today(&self) -> String {
        let mut day = runtime::clock::rfc3339(self.clock.micros());
        day.truncate("2026-01-01".len());
        day
    }

    /// Removes files of days that are over.
    fn clean(&self, today: &str) -> Result<(), Error> {
        let number = |day: &str| {
            let day = chrono::NaiveDate::parse_from_str(day, "%Y-%m-%d").ok()?;
            Some(
                day.signed_duration_since(chrono::NaiveDate::default())
                    .num_days(),
            )
        };
        let (Some(keep), Some(today)) = (self.keep_days, number(today)) else {
            return Ok(());
        };
        let mut all = self.all()?;
        // The newest one tells the next number.
        all.pop();
        let over = |s: &Segment| number(&s.day).is_some_and(|day| day + i64::from(keep) < today);
        for segment in all.iter().filter(|s| over(s)) {
            disk::remove(&segment.path)?;
        }
        Ok(())
    }
}

/// Cuts a line off that was written in part, and returns the size.
fn whole(path: &Path) -> Result<u64, Error> {
    let cut = || -> io::Result<u64> {
        let mut file = OpenOptions::new().read(true).write(true).open(path)?;
        let size = file.metadata()?.len();
        let (mut end, mut piece) = (size, vec![0; 64 << 10]);
        while end > 0 {
            let begin = end.saturating_sub(piece.len() as u64);
            let length = usize::try_from(end - begin).unwrap_or_default();
            let part = &mut piece[..length];
            file.seek(SeekFrom::Start(begin))?;
            file.read_exact(part)?;
            if let Some(at) = part.iter().rposition(|b| *b == b'\n') {
                end = begin + at as u64 + 1;
                break;
            }
            end = begin;
        }
        if end < size {
            tracing::warn!(path = %path.display(), "a line that was written in part is cut off");
            file.set_len(end)?;
            file.sync_all()?;
        }
        Ok(end)
    };
    cut().map_err(disk::at(path))
}

//! Where the audit log goes: only a real disk shows what it costs to wait for one.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;
use tokio::time::Instant;

/// Syncs of which the median counts.
const SYNCS: usize = 51;
/// About the length of one record.
const RECORD: [u8; 512] = [b' '; 512];

/// A new directory below this one, or else beside this program.
pub(super) fn directory(wanted: Option<&Path>) -> Result<TempDir> {
    let parent = match wanted {
        Some(dir) => dir.to_owned(),
        None => {
            let me = std::env::current_exe()?;
            me.parent().map(PathBuf::from).context("no directory")?
        }
    };
    let parent = fs::canonicalize(&parent).with_context(|| format!("{}", parent.display()))?;
    let mounts = fs::read_to_string("/proc/self/mounts").context("read what is mounted")?;
    let kind = file_system(&mounts, &parent).unwrap_or_default();
    if ["tmpfs", "ramfs"].contains(&kind) {
        bail!(
            "{} is in memory: name a directory on a disk",
            parent.display()
        );
    }
    Ok(tempfile::Builder::new()
        .prefix("bench-broker-")
        .tempdir_in(parent)?)
}

/// The kind of the file system that a path is on. Spaces in mount points don't matter: none of ours has one.
fn file_system<'a>(mounts: &'a str, path: &Path) -> Option<&'a str> {
    let mounts = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        Some((fields.next()?, fields.next()?))
    });
    let above = mounts.filter(|(point, _)| path.starts_with(point));
    // Of two on the same point the later one counts, which is the one that `max_by_key` takes.
    above
        .max_by_key(|(point, _)| point.len())
        .map(|(_, kind)| kind)
}

/// Milliseconds that the disk takes for one record, with nothing of ours around it: no answer can come sooner.
pub(super) fn sync_ms(dir: &Path) -> Result<f64> {
    let mut file = fs::File::create(dir.join("sync"))?;
    let mut took = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        let began = Instant::now();
        file.write_all(&RECORD)?;
        file.sync_data()?;
        took.push(began.elapsed().as_secs_f64() * 1_000.0);
    }
    Ok(super::median(took))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_mount_says_what_a_path_is_on() {
        let mounts = "/dev/a / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n/dev/b /tmp/disk xfs rw 0 0\n";
        let kind = |path| file_system(mounts, Path::new(path));
        assert_eq!(kind("/home/x"), Some("ext4"));
        assert_eq!(kind("/tmpx"), Some("ext4"));
        assert_eq!(kind("/tmp/x"), Some("tmpfs"));
        assert_eq!(kind("/tmp/disk/x"), Some("xfs"));
    }
}

//! Time and memory of a child process, as Linux counts them in /proc.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Short beside the seconds that a bench takes; the last moments before the end may hide a peak.
const EVERY: Duration = Duration::from_millis(10);
/// Far more than any case takes: a child that hangs must not hang the bench.
const LIMIT: Duration = Duration::from_mins(15);
/// USER_HZ: what the kernel shows to programs is the same on every architecture we run on.
const TICKS_PER_SECOND: f64 = 100.0;

/// What a child process took.
pub struct Usage {
    /// From start to end.
    pub wall_seconds: f64,
    /// User and system time of all its threads.
    pub cpu_seconds: f64,
    /// The largest resident set.
    pub peak_mib: f64,
}

/// Runs the command, which must succeed, and measures it. What it prints is dropped, errors are not.
pub fn measure(command: &mut Command) -> Result<Usage> {
    let start = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .with_context(|| format!("start {command:?}"))?;
    let usage = watch(&child, start);
    if usage.is_err() {
        // Nobody would wait for it any more.
        child.kill()?;
    }
    let status = child.wait()?;
    let usage = usage.with_context(|| format!("{command:?}"))?;
    if !status.success() {
        bail!("{command:?}: {status}");
    }
    Ok(usage)
}

/// Looks until the child has ended. It is not waited for before: only then the kernel forgets its CPU time.
fn watch(child: &Child, start: Instant) -> Result<Usage> {
    let file = |name| format!("/proc/{}/{name}", child.id());
    let mut peak_kib = 0;
    loop {
        let stat = fs::read_to_string(file("stat")).context("benches need Linux's /proc")?;
        let (ended, ticks) = parse_stat(&stat).context("read the state of the child")?;
        if ended {
            return Ok(Usage {
                wall_seconds: start.elapsed().as_secs_f64(),
                cpu_seconds: ticks / TICKS_PER_SECOND,
                peak_mib: f64::from(peak_kib) / 1024.0,
            });
        }
        peak_kib = peak_kib.max(parse_peak(&fs::read_to_string(file("status"))?).unwrap_or(0));
        if start.elapsed() > LIMIT {
            bail!("killed after {} minutes", LIMIT.as_secs() / 60);
        }
        thread::sleep(EVERY);
    }
}

/// Whether the process has ended, and its ticks of CPU. The name before them may hold anything but ends with the last `)`.
fn parse_stat(stat: &str) -> Option<(bool, f64)> {
    let fields: Vec<_> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok();
    Some((*fields.first()? == "Z", ticks(11)? + ticks(12)?))
}

/// `VmHWM:     1234 kB`; a process that has just ended has none.
fn parse_peak(status: &str) -> Option<u32> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_brackets_does_not_shift_the_fields() {
        let stat = "12 (a ) b) Z 1 2 3 4 5 6 7 8 9 10 150 50 0 0";
        assert_eq!(parse_stat(stat), Some((true, 200.0)));
    }

    #[test]
    fn a_real_child_is_measured() {
        let usage = measure(
            Command::new("sh").args(["-c", "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done"]),
        )
        .unwrap();
        assert!(usage.wall_seconds > 0.0 && usage.cpu_seconds > 0.0 && usage.peak_mib > 0.0);
    }

    #[test]
    fn a_child_that_fails_is_an_error() {
        assert!(measure(Command::new("sh").args(["-c", "exit 3"])).is_err());
    }
}

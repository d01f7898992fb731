//! The files of the feed.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use super::*;

const DAY: Duration = Duration::from_secs(24 * 3_600);

fn segments(dir: &tempfile::TempDir, most_bytes: u64, keep_days: Option<u32>) -> Segments {
    Segments {
        dir: dir.path().to_owned(),
        most_bytes,
        keep_days,
        clock: Clock::starting_at(1_700_000_000_000_000),
    }
}

fn files(dir: &tempfile::TempDir) -> Vec<(String, String)> {
    let entries = std::fs::read_dir(dir.path()).unwrap().map(Result::unwrap);
    let mut all: Vec<_> = entries
        .map(|e| {
            let text = std::fs::read_to_string(e.path()).unwrap();
            (e.file_name().into_string().unwrap(), text)
        })
        .collect();
    all.sort();
    all
}

#[test]
fn a_full_file_and_a_new_day_begin_another() {
    let dir = tempfile::tempdir().unwrap();
    let segments = segments(&dir, 5, None);
    for line in ["1\n", "22\n", "333\n"] {
        segments.append(line.as_bytes()).unwrap();
    }
    segments.clock.advance(DAY);
    segments.append(b"4\n").unwrap();
    let names = [
        ("changes-0000000001-2023-11-14.ndjson", "1\n22\n"),
        ("changes-0000000002-2023-11-14.ndjson", "333\n"),
        ("changes-0000000003-2023-11-15.ndjson", "4\n"),
    ];
    let expected: Vec<_> = names.map(|(n, t)| (n.to_owned(), t.to_owned())).into();
    assert_eq!(files(&dir), expected);
}

#[test]
fn a_line_that_was_written_in_part_is_cut_off() {
    let dir = tempfile::tempdir().unwrap();
    let segments = segments(&dir, 1 << 20, None);
    segments.append(b"1\n").unwrap();
    let path = dir.path().join("changes-0000000001-2023-11-14.ndjson");
    for torn in ["1\n{\"ten", "1\n", &format!("1\n{}", "x".repeat(200_000))] {
        std::fs::write(&path, torn).unwrap();
        segments.append(b"2\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "1\n2\n");
    }
    std::fs::write(&path, "torn").unwrap();
    segments.append(b"2\n").unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "2\n");
}

#[test]
fn what_is_over_is_removed_and_the_numbers_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let segments = segments(&dir, 1 << 20, Some(2));
    for day in 0..5 {
        segments.append(format!("{day}\n").as_bytes()).unwrap();
        segments.clock.advance(DAY);
    }
    let texts: Vec<_> = files(&dir).into_iter().map(|(_, text)| text).collect();
    assert_eq!(texts, ["2\n", "3\n", "4\n"]);
    segments.clock.advance(100 * DAY);
    segments.append(b"5\n").unwrap();
    let all = files(&dir);
    assert_eq!(all.len(), 1, "{all:?}");
    assert!(all[0].0.starts_with("changes-0000000006-"));
}

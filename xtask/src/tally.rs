//! How many tests passed and failed, from what the runner itself printed.

use std::fmt;
use std::ops::AddAssign;

/// Counts of tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Ran and passed.
    pub passed: u64,
    /// Ran and did not pass: failed, timed out, or could not be started.
    pub failed: u64,
    /// Not run.
    pub skipped: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        if self.skipped > 0 {
            write!(f, ", {} skipped", self.skipped)?;
        }
        Ok(())
    }
}

/// What cargo-nextest counted; `None` if it did not get that far. It shows the output of failed tests, which may hold
/// anything, so the last summary is the one that counts.
pub fn of_nextest(printed: &str) -> Option<Tally> {
    printed
        .lines()
        .rev()
        .find_map(|line| summary(&without_colours(line)))
}

/// The sum of what the standard harness counted for each test binary; `None` if none was run.
pub fn of_harness(printed: &str) -> Option<Tally> {
    let results = printed
        .lines()
        .filter_map(|line| result(&without_colours(line)));
    results.reduce(|mut sum, tally| {
        sum += tally;
        sum
    })
}

/// The sum of lines `ok - WHAT` and `not ok - WHAT`.
pub fn of_checks(printed: &str) -> Tally {
    let mut tally = Tally::default();
    for line in printed.lines() {
        tally.passed += u64::from(line.starts_with("ok - "));
        tally.failed += u64::from(line.starts_with("not ok - "));
    }
    tally
}

/// `Summary [   0.12s] 3/4 tests run: 1 passed (1 slow), 2 failed, 1 timed out, 5 skipped`
fn summary(line: &str) -> Option<Tally> {
    let counts = line
        .trim_start()
        .strip_prefix("Summary [")?
        .split_once("run: ")?
        .1;
    let mut tally = Tally::default();
    for (count, word) in counts_and_words(&without_brackets(counts)) {
        match word {
            "passed" => tally.passed += count,
            "skipped" => tally.skipped += count,
            _ => tally.failed += count,
        }
    }
    Some(tally)
}

/// `test result: FAILED. 2 passed; 1 failed; 1 ignored; 0 measured; 4 filtered out; finished in 0.00s`
fn result(line: &str) -> Option<Tally> {
    let counts = line.strip_prefix("test result: ")?.split_once(". ")?.1;
    let mut tally = Tally::default();
    for (count, word) in counts_and_words(counts) {
        match word {
            "passed" => tally.passed += count,
            "failed" => tally.failed += count,
            "ignored" | "filtered" => tally.skipped += count,
            _ => {}
        }
    }
    Some(tally)
}

/// Every whole number with the word behind it.
fn counts_and_words(text: &str) -> impl Iterator<Item = (u64, &str)> {
    let words: Vec<_> = text
        .split([' ', ',', ';'])
        .filter(|word| !word.is_empty())
        .collect();
    let pairs: Vec<_> = words
        .windows(2)
        .filter_map(|pair| Some((pair[0].parse().ok()?, pair[1])))
        .collect();
    pairs.into_iter()
}

/// Drops the remarks on how tests passed or failed: they are counted already.
fn without_brackets(line: &str) -> String {
    let mut outside = true;
    let keep = |c: &char| match c {
        '(' => {
            outside = false;
            false
        }
        ')' => {
            outside = true;
            false
        }
        _ => outside,
    };
    line.chars().filter(keep).collect()
}

/// Drops `ESC [ … m`.
fn without_colours(line: &str) -> String {
    let mut plain = String::new();
    let mut parts = line.split("\u{1b}[");
    plain.push_str(parts.next().unwrap_or_default());
    for part in parts {
        plain.push_str(part.split_once('m').map_or("", |(_, rest)| rest));
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(passed: u64, failed: u64, skipped: u64) -> Option<Tally> {
        Some(Tally {
            passed,
            failed,
            skipped,
        })
    }

    #[test]
    fn nextest_counts_all_that_did_not_pass_as_failed() {
        let line = "     Summary [   0.126s] 9/12 tests run: 4 passed (1 slow, 2 leaky), \
            3 failed (1 due to being leaky), 1 timed out, 1 exec failed, 3 skipped";
        assert_eq!(of_nextest(line), tally(4, 5, 3));
    }

    #[test]
    fn nextest_in_colour() {
        let line = "\u{1b}[32;1m     Summary\u{1b}[0m [   0.007s] \u{1b}[1m1\u{1b}[0m test run: \
            \u{1b}[1m1\u{1b}[0m \u{1b}[32;1mpassed\u{1b}[0m, \u{1b}[1m0\u{1b}[0m skipped";
        assert_eq!(of_nextest(line), tally(1, 0, 0));
    }

    #[test]
    fn what_a_failed_test_printed_is_not_counted() {
        let text = "    test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 7 filtered out\n\
            Summary [ 1s] 9 tests run: 9 passed, 0 skipped\n\
            Summary [   0.5s] 8 tests run: 7 passed, 1 failed, 0 skipped\n\
            error: test run failed";
        assert_eq!(of_nextest(text), tally(7, 1, 0));
    }

    #[test]
    fn results_of_several_test_binaries_are_added_up() {
        let text = "test result: ok. 5 passed; 0 failed; 2 ignored; 0 measured; 1 filtered out; finished in 0.01s\n\
            noise\n\
            test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s";
        assert_eq!(of_harness(text), tally(6, 2, 3));
    }

    #[test]
    fn checks_are_lines_of_their_own() {
        let text = "ok - one\nnot ok - two\nAssertionError: ok - no\nok - three\n";
        assert_eq!(Some(of_checks(text)), tally(2, 1, 0));
    }

    #[test]
    fn no_result_line_is_no_tally() {
        let text = "error: could not compile `bus`";
        assert_eq!((of_nextest(text), of_harness(text)), (None, None));
    }

    #[test]
    fn skipped_is_shown_only_when_there_are_some() {
        assert_eq!(tally(3, 1, 0).unwrap().to_string(), "3 passed, 1 failed");
        assert_eq!(
            tally(3, 1, 2).unwrap().to_string(),
            "3 passed, 1 failed, 2 skipped"
        );
    }
}

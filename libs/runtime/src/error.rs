//! Errors that help: a code to look up, what went wrong and where, and what to do.

use std::borrow::Cow;
use std::fmt;

/// A failure as a person reads it. Never holds a secret.
#[derive(Debug)]
pub struct Problem {
    /// Stable code, `LW-` and four digits: 1 configuration, 2 credentials, 3 Graph, 4 storage and queue, 5 ledger,
    /// 6 sinks. `leastwise` prints it first.
    pub code: Cow<'static, str>,
    /// What went wrong, and where.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
    /// Exit code of the process when this ends it.
    pub exit: Exit,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// Exit codes of every process; 0 is success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It failed.
    Failure = 1,
    /// It worked, but something is held or incomplete.
    Incomplete = 3,
    /// The command line or the configuration is wrong (sysexits EX_USAGE).
    Usage = 64,
    /// Reading or writing a file failed, for example on a full disk (sysexits EX_IOERR).
    Io = 74,
    /// Somebody else uses the data directory or the port; try again later (sysexits EX_TEMPFAIL).
    Busy = 75,
}

/// Stands between what went wrong and what to do.
const REMEDY: &str = " What to do: ";

impl Problem {
    /// A problem that ends a process with [`Exit::Failure`].
    pub fn new(
        code: impl Into<Cow<'static, str>>,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Problem {
            code: code.into(),
            what: what.into(),
            remedy: remedy.into(),
            exit: Exit::Failure,
            source: None,
        }
    }

    /// A problem that another process told as text, as [`Display`](fmt::Display) writes it; none where the text
    /// doesn't begin with a code.
    pub fn told(text: &str) -> Option<Self> {
        let (code, rest) = text
            .split_once(": ")
            .filter(|(code, _)| code.starts_with("LW-"))?;
        let (what, remedy) = rest.split_once(REMEDY).unwrap_or((rest, ""));
        Some(Problem::new(code.to_owned(), what, remedy))
    }

    /// Sets the exit code.
    #[must_use]
    pub fn exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    /// Adds the underlying error; its text must hold no secret.
    #[must_use]
    pub fn caused_by(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.source = Some(source.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.what)?;
        if !self.remedy.is_empty() {
            write!(f, "{REMEDY}{}", self.remedy)?;
        }
        Ok(())
    }
}

/// The code with which the text of a problem begins; `LW` where it begins with none.
pub fn code(text: &str) -> &str {
    let (code, _) = text.split_once(':').unwrap_or_default();
    match code.len() <= 12 && code.starts_with("LW-") {
        true => code,
        false => "LW",
    }
}

impl std::error::Error for Problem {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|s| s.as_ref() as _)
    }
}

/// Prints an error and everything below it on one line; what only repeats the one above it is left out.
pub struct Chain<'a>(pub &'a (dyn std::error::Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut last = self.0.to_string();
        f.write_str(&last)?;
        let mut next = self.0.source();
        while let Some(e) = next {
            let text = e.to_string();
            if text != last {
                write!(f, ": {text}")?;
            }
            last = text;
            next = e.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_understood() {
        for problem in [
            Problem::new("LW-1", "it broke: badly.", "mend it"),
            Problem::new("LW-2", "it broke.", ""),
        ] {
            let told = Problem::told(&problem.to_string()).unwrap();
            assert_eq!(told.code, problem.code);
            assert_eq!((told.what, told.remedy), (problem.what, problem.remedy));
        }
        assert!(Problem::told("h2 protocol error: reset").is_none());
    }
}

//! What went wrong, for people: what could not be done, why, and what to try. Errors come in, lines go out.
//!
//! Invariant: nothing in here is Rust's own debug text, and no reason is said twice.

use std::error::Error;
use std::fmt;
use std::io;

/// Why a command could not do its job. Ends in exit code 2.
#[derive(Debug)]
pub(crate) struct Failure {
    what: String,
    why: Option<Box<dyn Error + Send + Sync>>,
    hints: Vec<String>,
    reader_gone: bool,
    code: Option<&'static str>,
}

impl Failure {
    /// A failure that needs no further reason: `what` says it all.
    pub(crate) fn new(what: impl Into<String>) -> Failure {
        Failure { what: what.into(), why: None, hints: Vec::new(), reader_gone: false, code: None }
    }

    /// `what` could not be done because of `why` (and of what is behind it).
    pub(crate) fn because(
        what: impl Into<String>,
        why: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Failure {
        Failure { why: Some(why.into()), ..Failure::new(what) }
    }

    /// An error that says by itself what could not be done, and the reasons behind it.
    pub(crate) fn of(error: impl Into<Box<dyn Error + Send + Sync>>) -> Failure {
        Failure::because("", error)
    }

    /// Standard output did not take what was written to it.
    pub(crate) fn output(why: io::Error) -> Failure {
        let reader_gone = why.kind() == io::ErrorKind::BrokenPipe;
        Failure { reader_gone, ..Failure::because("cannot write to standard output", why) }
    }

    /// Whether nothing is wrong but that whoever read our output has seen enough.
    pub(crate) fn is_reader_gone(&self) -> bool {
        self.reader_gone
    }

    /// Says which failure it is, for programs.
    #[must_use]
    pub(crate) fn coded(self, code: &'static str) -> Failure {
        Failure { code: Some(code), ..self }
    }

    /// Which failure it is, if somebody said so.
    pub(crate) fn code(&self) -> Option<&'static str> {
        self.code
    }

    /// The error behind it.
    pub(crate) fn reason(&self) -> Option<&(dyn Error + Send + Sync + 'static)> {
        self.why.as_deref()
    }

    /// Adds something to try, with a command to run where there is one.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.hints.push(hint.into());
        self
    }

    /// What to try, in order.
    pub(crate) fn hints(&self) -> &[String] {
        &self.hints
    }
}

/// What, then each reason behind it, on one line.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.why {
            None => f.write_str(&self.what),
            Some(why) => f.write_str(&with_reasons(&self.what, why.as_ref())),
        }
    }
}

/// `what`, then `error` and each error behind it, on one line.
pub(crate) fn with_reasons(what: &str, error: &(dyn Error + 'static)) -> String {
    let mut line = what.to_owned();
    let mut said = line.clone();
    let mut why = Some(error);
    while let Some(reason) = why {
        let text = reason_text(reason);
        // Many errors end with the text of their source; saying it again would be noise.
        if !text.is_empty() && !said.contains(&text) {
            if !line.is_empty() {
                line.push_str(": ");
            }
            line.push_str(&text);
            said = text;
        }
        why = reason.source();
    }
    line
}

/// An error's text without the number that Rust adds to those of the system.
fn reason_text(error: &(dyn Error + 'static)) -> String {
    strip_numbers(&error.to_string())
}

/// `text` without each ` (os error N)`.
fn strip_numbers(text: &str) -> String {
    let mut rest = text;
    let mut stripped = String::with_capacity(text.len());
    while let Some((before, after)) = rest.split_once(" (os error ") {
        stripped.push_str(before);
        rest = after.split_once(')').map_or("", |(_, after)| after);
    }
    stripped.push_str(rest);
    stripped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("chunk 3 at byte 4096: {source}")]
    struct Outer {
        source: io::Error,
    }

    #[test]
    fn a_reason_is_said_once_and_without_rusts_number() {
        let source = io::Error::from_raw_os_error(2);
        let failure = Failure::because("cannot open t.blkr", Outer { source });
        assert_eq!(
            failure.to_string(),
            "cannot open t.blkr: chunk 3 at byte 4096: No such file or directory"
        );
    }

    #[test]
    fn a_reader_who_has_seen_enough_is_told_from_a_full_disk() {
        assert!(Failure::output(io::ErrorKind::BrokenPipe.into()).is_reader_gone());
        assert!(!Failure::output(io::ErrorKind::StorageFull.into()).is_reader_gone());
    }

    #[test]
    fn hints_stay_in_order() {
        let failure = Failure::new("t.blkr exists").hint("one").hint("two");
        assert_eq!(failure.to_string(), "t.blkr exists");
        assert_eq!(failure.hints(), ["one", "two"]);
    }

    #[test]
    fn numbers_of_the_system_are_left_out_wherever_they_stand() {
        assert_eq!(strip_numbers("a (os error 2): b (os error 13)"), "a: b");
        assert_eq!(strip_numbers("nothing to strip"), "nothing to strip");
    }
}

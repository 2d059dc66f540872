//! How the program ends: the exit codes, which are a promise to scripts.
//!
//! Invariant: trouble is never told as a difference, nor a difference as trouble.

use std::process;

/// The exit codes of every command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExitCode {
    /// 0: done, same, no divergence.
    Done,
    /// 1: different, diverged, faults.
    Different,
    /// 2: the command could not do its job: nothing readable, refused, bad usage.
    Trouble,
    /// 3: done with loss: all that could be read was used, and something was missing.
    Loss,
    /// 130: interrupted.
    Interrupted,
    /// Whatever the recorded COMMAND ended with, as a shell gives it: 127 not found, 126 not executable,
    /// 128 + n ended by signal n.
    Command(u8),
}

impl ExitCode {
    /// The number handed to the system.
    pub(crate) fn number(self) -> u8 {
        match self {
            ExitCode::Done => 0,
            ExitCode::Different => 1,
            ExitCode::Trouble => 2,
            ExitCode::Loss => 3,
            ExitCode::Interrupted => 130,
            ExitCode::Command(status) => status,
        }
    }
}

impl From<ExitCode> for process::ExitCode {
    fn from(code: ExitCode) -> process::ExitCode {
        process::ExitCode::from(code.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_those_that_are_documented() {
        for (code, number) in [
            (ExitCode::Done, 0),
            (ExitCode::Different, 1),
            (ExitCode::Trouble, 2),
            (ExitCode::Loss, 3),
            (ExitCode::Interrupted, 130),
            (ExitCode::Command(127), 127),
        ] {
            assert_eq!(code.number(), number);
        }
    }
}

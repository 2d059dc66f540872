//! What is said of traces that were compared, in every format. Pairs that were compared come in, text goes out.
//!
//! `words` says in words what one difference is, `places` where; the other files are formats. Invariants: every format has the
//! verdict, on trouble too; whatever a trace holds, it steers no terminal and leaves no element of a document.

mod around;
mod budgets;
/// Annotations of GitHub's actions.
pub(crate) mod github;
/// One file for a browser.
pub(crate) mod html;
/// One object for programs.
pub(crate) mod json;
/// One object a difference, and one for the whole.
pub(crate) mod jsonl;
/// Test cases for a CI server.
pub(crate) mod junit;
mod log_json;
mod log_words;
/// A summary for a page of a CI server.
pub(crate) mod markdown;
mod places;
/// By what, in words.
pub(crate) mod rule;
mod sections;
/// For people at a terminal.
pub(crate) mod text;
mod words;

use std::time::Duration;

use blkreplay_core::diff::{Budgeted, Counts, EventReport, Learned, Report, Rule, Warning, Which};
use blkreplay_core::qemu::Layout;

use super::printable;
use crate::words::shell_word;

/// One of the two sides of a pair.
#[derive(Debug, Clone, Default)]
pub(crate) struct SideTold {
    /// The path as it was typed.
    pub(crate) path: String,
    /// How many requests it has, if that is known.
    pub(crate) requests: Option<u64>,
    /// How many events a log has.
    pub(crate) events: Option<u64>,
    /// How many epochs, of all devices together.
    pub(crate) epochs: Option<u64>,
    /// The day it was recorded.
    pub(crate) recorded: Option<String>,
    /// Whether the trace is whole; `None` if that is not known.
    pub(crate) complete: Option<bool>,
    /// It is a text: ids are lines.
    pub(crate) is_text: bool,
}

/// What was compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Of {
    /// Requests of traces.
    #[default]
    Requests,
    /// Events of logs of QEMU.
    Events,
}

/// By what two traces were compared.
#[derive(Debug, Clone, Default)]
pub(crate) struct RuleTold {
    /// Of what.
    pub(crate) of: Of,
    /// The alignment and what is compared.
    pub(crate) rule: Rule,
    /// Rules that leave requests out, or mask bytes, by name.
    pub(crate) rules: Vec<String>,
    /// The file they were read from.
    pub(crate) config: Option<String>,
}

/// Why two traces could not be compared.
#[derive(Debug, Clone)]
pub(crate) struct Trouble {
    /// Which trouble, for programs.
    pub(crate) code: &'static str,
    /// What is wrong.
    pub(crate) message: String,
    /// What to try.
    pub(crate) hints: Vec<String>,
}

/// Two logs of QEMU that were compared.
#[derive(Debug, Clone)]
pub(crate) struct LogsTold {
    /// What was found.
    pub(crate) report: EventReport,
    /// The layouts of base and of new.
    pub(crate) layouts: [&'static Layout; 2],
}

/// What became of a pair.
#[derive(Debug, Clone)]
pub(crate) enum Found {
    /// It was compared.
    Report(Box<Report>),
    /// They are logs of QEMU, and their events were compared.
    Logs(Box<LogsTold>),
    /// Only this side of it is there.
    Only(Which),
    /// It could not be compared.
    Trouble(Trouble),
}

/// Two traces that were compared, or were to be.
#[derive(Debug, Clone)]
pub(crate) struct Pair {
    pub(crate) base: SideTold,
    pub(crate) new: SideTold,
    pub(crate) rule: RuleTold,
    /// The options that say so, as a shell takes them.
    pub(crate) options: Vec<String>,
    /// The names of the devices, by their numbers on the base side.
    pub(crate) devices: Vec<String>,
    pub(crate) found: Found,
    pub(crate) budgets: Vec<Budgeted>,
    pub(crate) warnings: Vec<Warning>,
    /// Requests of base and of new that rules left out.
    pub(crate) left_out: [u64; 2],
    /// What was learned, if rules are to be proposed.
    pub(crate) learned: Option<Learned>,
    /// How long it took.
    pub(crate) took: Duration,
    /// What was hoped for.
    pub(crate) expect: Expect,
}

/// What a comparison is to come out as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Expect {
    // No help texts here: they would make `--help` three times as long.
    #[default]
    Same,
    Different,
}

/// How a comparison came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    Same,
    Different,
    Trouble,
}

impl Verdict {
    pub(crate) const NAMES: [(Verdict, &'static str); 3] =
        [(Verdict::Same, "same"), (Verdict::Different, "different"), (Verdict::Trouble, "trouble")];

    pub(crate) fn name(self) -> &'static str {
        Self::NAMES[self as usize].1
    }
}

impl Pair {
    pub(crate) fn verdict(&self) -> Verdict {
        match &self.found {
            Found::Trouble(_) => Verdict::Trouble,
            Found::Only(_) => Verdict::Different,
            _ if self.counts().differences() == 0 && self.over() == 0 => Verdict::Same,
            _ => Verdict::Different,
        }
    }

    /// Whether it came out as hoped; trouble never does.
    pub(crate) fn passes(&self) -> bool {
        match self.verdict() {
            Verdict::Same => self.expect == Expect::Same,
            Verdict::Different => self.expect == Expect::Different,
            Verdict::Trouble => false,
        }
    }

    /// The exit code: 0, 1 or 2.
    pub(crate) fn exit_code(&self) -> u8 {
        match self.verdict() {
            Verdict::Trouble => 2,
            _ => u8::from(!self.passes()),
        }
    }

    /// Budgets that were exceeded.
    pub(crate) fn over(&self) -> usize {
        self.budgets.iter().filter(|budget| budget.is_over()).count()
    }

    /// How many are the same, and how many differ.
    fn counts(&self) -> Counts {
        match &self.found {
            Found::Report(report) => report.counts,
            Found::Logs(logs) => sections::counts_of(&logs.report),
            Found::Only(_) | Found::Trouble(_) => Counts::default(),
        }
    }

    /// Whether it ended at the first difference.
    fn stopped(&self) -> bool {
        match &self.found {
            Found::Report(report) => report.stopped,
            Found::Logs(logs) => logs.report.stopped,
            Found::Only(_) | Found::Trouble(_) => false,
        }
    }

    /// What was found of requests.
    pub(crate) fn report(&self) -> Option<&Report> {
        match &self.found {
            Found::Report(report) => Some(report),
            Found::Logs(_) | Found::Only(_) | Found::Trouble(_) => None,
        }
    }

    /// The name of a device, if there are several.
    fn device(&self, number: u16) -> Option<&str> {
        let name = || self.devices.get(usize::from(number)).map(String::as_str);
        if self.devices.len() > 1 { name() } else { None }
    }

    /// The command that compares them again.
    pub(crate) fn command(&self) -> String {
        let (base, new) = (shell_word(&self.base.path), shell_word(&self.new.path));
        let words = ["blkreplay diff".to_owned(), base, new];
        printable(&[&words[..], &self.options].concat().join(" ")).into_owned()
    }
}

/// A warning, with the rule that it is about.
pub(crate) fn warning_words(warning: &Warning) -> String {
    let at = warning.at.as_ref().map(|at| format!(" ({at})")).unwrap_or_default();
    printable(&format!("{}{at}", warning.message)).into_owned()
}

#[cfg(test)]
mod tests;

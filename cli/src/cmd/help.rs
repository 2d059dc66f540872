//! `help`: what a command does, or a long topic. A name comes in, text goes out.
//!
//! A topic is a page of the book, word for word, as `rustc --explain` prints its pages. Invariant: a name that is neither
//! is refused with the nearest one.

use std::ffi::OsString;
use std::io::Write;

use clap::CommandFactory;

use crate::args::{self, Cli, Parsed};
use crate::exit::ExitCode;
use crate::failure::Failure;
use crate::printer::Printer;

const HELP_HELP: &str = "\
Topics:
  filter      which requests are meant: -f of print and others
  findings    what check --findings looks for, and what to do
  comparing   what diff compares, and its alignments, with pictures
  unlike      what to do when two recordings of one run differ
  ci          diff in GitHub, GitLab, a shell, cargo test
  diff-json   what diff --format json prints
  positions   #123, 1.5s, flush:3, mark:NAME: places in a trace
  json        what --json prints
  rules       blkreplay.toml: masks, budgets, suites of diff and test
  exit-codes  what a status means
  format      the trace file, byte by byte
  nbd         what of NBD is served
  glossary    words

Examples:
  blkreplay help record          the same as blkreplay record --help
  blkreplay help filter | less

Exit codes: 0 told, 2 trouble.";

/// Tell what a command does, or about a topic
#[derive(Debug, clap::Args)]
#[command(after_help = HELP_HELP)]
pub(crate) struct HelpArgs {
    /// A command or a topic
    #[arg(value_name = "COMMAND|TOPIC")]
    name: Option<String>,
}

/// The topics: pages of the book.
pub(crate) const TOPICS: [(&str, &str); 13] = [
    ("filter", include_str!("../../../book/src/reference/filter.md")),
    ("findings", include_str!("../../../book/src/findings.md")),
    ("comparing", include_str!("../../../book/src/comparing.md")),
    ("unlike", include_str!("../../../book/src/unlike.md")),
    ("ci", include_str!("../../../book/src/ci.md")),
    ("diff-json", include_str!("../../../book/src/reference/diff-json.md")),
    ("positions", include_str!("../../../book/src/marks.md")),
    ("json", include_str!("../../../book/src/reference/json.md")),
    ("rules", include_str!("../../../book/src/reference/blkreplay-toml.md")),
    ("exit-codes", include_str!("../../../book/src/reference/exit-codes.md")),
    ("format", include_str!("../../../book/src/reference/format.md")),
    ("nbd", include_str!("../../../book/src/reference/nbd-support.md")),
    ("glossary", include_str!("../../../book/src/reference/glossary.md")),
];

impl HelpArgs {
    pub(crate) fn run(self, printer: &Printer) -> Result<ExitCode, Failure> {
        let Some(name) = self.name else { return Ok(told(&[], printer)) };
        let cli = Cli::command();
        if cli.find_subcommand(&name).is_some() {
            return Ok(told(&[&name], printer));
        }
        let mut out = printer.output();
        let (_, text) = TOPICS
            .iter()
            .find(|(topic, _)| *topic == name)
            .ok_or_else(|| unknown(&name, cli.get_subcommands().map(clap::Command::get_name)))?;
        out.write_all(text.as_bytes()).map_err(Failure::output)?;
        out.finish()?;
        Ok(ExitCode::Done)
    }
}

/// Tells what `--help` behind `words` tells.
fn told(words: &[&str], printer: &Printer) -> ExitCode {
    let line = std::iter::once("blkreplay").chain(words.iter().copied()).chain(["--help"]);
    match args::parse(line.map(OsString::from)) {
        Parsed::Tell(text, _) => printer.tell(&text),
        Parsed::Run(_) | Parsed::Refuse(..) => unreachable!("--help tells help"),
    }
}

fn unknown<'a>(name: &str, commands: impl Iterator<Item = &'a str>) -> Failure {
    let topics = TOPICS.iter().map(|(topic, _)| *topic);
    let near = topics
        .chain(commands)
        .map(|known| (strsim::damerau_levenshtein(known, name), known))
        .filter(|(distance, known)| *distance <= 2 && *distance < known.len())
        .min_by_key(|(distance, _)| *distance);
    let failure = Failure::new(format!("there is no command and no topic called {name}"));
    match near {
        Some((_, known)) => failure.hint(format!("blkreplay help {known}")),
        None => failure.hint("blkreplay help --help  lists the topics"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_topic_is_listed_with_what_it_is_about() {
        for (topic, text) in TOPICS {
            let listed = |line: &str| line.split_whitespace().next() == Some(topic);
            assert!(HELP_HELP.lines().any(listed), "{topic}");
            assert!(text.starts_with("# "), "{topic}");
        }
    }

    #[test]
    fn what_is_neither_command_nor_topic_is_refused_with_the_nearest() {
        let names = || ["print", "record"].into_iter();
        assert_eq!(unknown("fliter", names()).hints(), ["blkreplay help filter"]);
        assert_eq!(unknown("recrod", names()).hints(), ["blkreplay help record"]);
        let none = unknown("nonsense", names());
        assert_eq!(none.hints(), ["blkreplay help --help  lists the topics"]);
    }
}

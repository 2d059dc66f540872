//! `review`: what `test` left beside baselines, one after another, at a terminal. Keys come in, baselines change.
//!
//! Invariant: nothing changes but by a key; what is skipped waits on.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

use blkreplay_core::diff::Which;

use crate::config::{Config, FILE_NAME};
use crate::diff::baselines::{self, Case};
use crate::diff::pair::{self, Asked};
use crate::diff::{accept, learned};
use crate::exit::ExitCode;
use crate::failure::Failure;
use crate::output::diff::Verdict;
use crate::output::diff::text::{Detail, Text};
use crate::printer::Printer;

const REVIEW_HELP: &str = "\
Examples:
  blkreplay review                               one after the other, what test left as .new

Keys, each with Enter:
  a  accept: what is new becomes the baseline
  r  reject: what is new is removed, the baseline stays
  s  skip: it waits on
  i  ignore: rules for what differs are added to blkreplay.toml, with a reason that is asked for
  q  end

Exit codes: 0 nothing waits any more, 1 something waits on, 2 trouble.";

/// Look at what differs from its baseline, and accept it or not
#[derive(Debug, clap::Args)]
#[command(after_help = REVIEW_HELP)]
pub(crate) struct ReviewArgs {
    /// Read this file rather than the nearest blkreplay.toml
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// What somebody says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    Accept,
    Reject,
    Skip,
    Ignore,
    Quit,
}

impl Key {
    const NAMES: [(Key, &'static str); 5] = [
        (Key::Accept, "a"),
        (Key::Reject, "r"),
        (Key::Skip, "s"),
        (Key::Ignore, "i"),
        (Key::Quit, "q"),
    ];
}

impl ReviewArgs {
    pub(crate) fn run(self, printer: &Printer) -> Result<ExitCode, Failure> {
        if accept::is_ci() {
            return Err(Failure::new("CI is set, and there nothing is reviewed"));
        }
        if !io::stdin().is_terminal() {
            return Err(Failure::new("a review is held at a terminal, and standard input is none")
                .hint("blkreplay bless BASE  accepts without one"));
        }
        let config = super::test::config(self.config.as_deref())?;
        let waiting = baselines::waiting(&config)?;
        let mut left = waiting.len();
        for (number, case) in waiting.iter().enumerate() {
            let place = format!("{} of {}", number + 1, waiting.len());
            printer.title(&format!("{} ({place})", case.baseline.display()));
            match look(case, &config, printer)? {
                Key::Quit => break,
                Key::Skip => {}
                _ => left -= 1,
            }
        }
        if left == 0 {
            printer.say("done", "nothing waits");
            return Ok(ExitCode::Done);
        }
        Ok(ExitCode::Different)
    }
}

/// Shows one case, and does what is said. An ignore that does not explain everything asks again.
fn look(case: &Case, config: &Config, printer: &Printer) -> Result<Key, Failure> {
    loop {
        let asked = super::test::asked(config);
        if case.only == Some(Which::New) {
            printer.say("new", "there is no baseline yet");
        } else {
            let pair = pair::compare([&case.baseline, &case.new], &asked, printer);
            super::diff::tell_trouble(&pair, printer);
            let mut out = printer.output();
            let text = Text { detail: Detail::Full, colored: out.is_colored() };
            text.write_all(std::slice::from_ref(&pair), &mut out).map_err(Failure::output)?;
            out.finish()?;
            if pair.verdict() == Verdict::Same {
                accept::forget(&case.new)?;
                return Ok(Key::Ignore);
            }
        }
        let Some(key) = ask("accept, reject, skip, ignore, quit [a r s i q]? ", printer, key)?
        else {
            return Ok(Key::Quit);
        };
        match key {
            Key::Accept => {
                accept::put(&case.baseline, &case.new, &case.baseline)?;
                accept::forget(&case.new)?;
                return Ok(key);
            }
            Key::Reject => {
                accept::forget(&case.new)?;
                return Ok(key);
            }
            Key::Skip | Key::Quit => return Ok(key),
            Key::Ignore if case.only.is_some() => {
                printer.warn("there is no baseline that it could be the same as");
            }
            Key::Ignore => {
                if ignore(case, config, &asked, printer)? == Ignored::Nothing {
                    printer.warn("no rule can be proposed for what differs");
                }
            }
        }
    }
}

/// Whether rules were added.
#[derive(Debug, PartialEq, Eq)]
enum Ignored {
    Nothing,
    Some,
}

/// Adds rules for what differs to the file.
fn ignore(
    case: &Case,
    config: &Config,
    asked: &Asked,
    printer: &Printer,
) -> Result<Ignored, Failure> {
    let asked = Asked { learns: true, ..asked.clone() };
    let pair = pair::compare([&case.baseline, &case.new], &asked, printer);
    super::diff::tell_trouble(&pair, printer);
    let Some(learned) = pair.learned.filter(|learned| !learned.overflow) else {
        return Ok(Ignored::Nothing);
    };
    let reason = |text: &str| (!text.trim().is_empty()).then(|| text.trim().to_owned());
    let Some(reason) = ask("why may it differ? ", printer, reason)? else {
        return Ok(Ignored::Nothing);
    };
    let rules = learned::rules(&learned, &pair.devices, &reason).map_err(Failure::of)?;
    if rules.is_empty() {
        return Ok(Ignored::Nothing);
    }
    let file = config.file.as_deref().unwrap_or(Path::new(FILE_NAME));
    learned::add(file, &rules)?;
    printer.say("ignored", format_args!("{} has the rules", config.name));
    Ok(Ignored::Some)
}

fn key(text: &str) -> Option<Key> {
    Key::NAMES.iter().find(|(_, name)| *name == text.trim()).map(|(key, _)| *key)
}

/// Asks until the answer is one; `None` at the end of input.
fn ask<T>(
    question: &str,
    printer: &Printer,
    understand: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, Failure> {
    loop {
        let mut out = printer.output();
        out.write_all(question.as_bytes()).map_err(Failure::output)?;
        out.finish()?;
        let mut answer = String::new();
        let read = io::stdin().lock().read_line(&mut answer);
        let read = read.map_err(|error| Failure::because("cannot read the answer", error))?;
        if read == 0 {
            return Ok(None);
        }
        if let Some(understood) = understand(&answer) {
            return Ok(Some(understood));
        }
    }
}

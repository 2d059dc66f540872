//! Annotations of GitHub's actions, behind the text for people. Pairs come in, workflow commands go out.
//!
//! GitHub shows ten annotations of a kind a step and drops the rest without a word. Invariant: at most nine errors are written,
//! then one notice that says how many there were; no value ends a command or begins another.

use std::fmt::Write as _;
use std::io::{self, Write};

use blkreplay_core::diff::Which;

use super::sections::{self, Item};
use super::{Found, Pair, budgets};
use crate::output::printable;

/// Errors that are written: one less than GitHub shows.
const ANNOTATIONS: usize = 9;

/// One annotation.
struct Annotation {
    file: Option<String>,
    line: Option<u64>,
    title: String,
    message: String,
}

/// Writes the annotations of all pairs.
pub(crate) fn write(pairs: &[Pair], out: &mut impl Write) -> io::Result<()> {
    let failing = pairs.iter().filter(|pair| !pair.passes());
    let (annotations, all) = failing.fold((Vec::new(), 0), |(mut list, all), pair| {
        let (own, count) = of(pair);
        let room = ANNOTATIONS.saturating_sub(list.len());
        list.extend(own.into_iter().take(room));
        (list, all + count)
    });
    for annotation in &annotations {
        writeln!(out, "{}", annotation.command())?;
    }
    let left = all - annotations.len() as u64;
    if left > 0 {
        writeln!(out, "::notice title=blkreplay::{left} more: see the text above, or the summary")?;
    }
    Ok(())
}

/// The annotations of a pair, at most so many as are written, and how many there would be.
fn of(pair: &Pair) -> (Vec<Annotation>, u64) {
    let plain = |title: &str, message: String| Annotation {
        file: None,
        line: None,
        title: title.to_owned(),
        message,
    };
    match &pair.found {
        Found::Trouble(trouble) => {
            let title = format!("trouble: {}", trouble.code);
            (vec![plain(&title, trouble.message.clone())], 1)
        }
        Found::Only(which) => {
            let path = match which {
                Which::Base => &pair.new.path,
                Which::New => &pair.base.path,
            };
            (vec![plain("missing trace", format!("{path} is not there"))], 1)
        }
        _ if pair.counts().differences() == 0 && pair.over() == 0 => {
            (vec![plain("same", format!("{} was to be different", pair.new.path))], 1)
        }
        Found::Report(_) | Found::Logs(_) => {
            let over = pair.budgets.iter().filter(|budget| budget.is_over());
            let over = over.map(|budget| {
                let (file, line) = split_place(budget.at.as_deref());
                let (figures, change) = (budgets::figures(budget), budgets::change(budget));
                Annotation {
                    file,
                    line,
                    title: format!("over budget: {}", budget.name),
                    message: format!("{figures} ({change}, limit {})", budget.limit),
                }
            });
            let sections = sections::of(pair);
            let told = sections.iter().flat_map(|section| &section.items);
            let told = told.map(|item| of_item(item, pair));
            let count = pair.counts().differences() + pair.over() as u64;
            (over.chain(told).take(ANNOTATIONS).collect(), count)
        }
    }
}

fn of_item(item: &Item, pair: &Pair) -> Annotation {
    let title = format!("{} {}", item.fields.join(" "), item.kind.name());
    Annotation {
        file: item.line.map(|_| pair.base.path.clone()),
        line: item.line,
        title: title.trim().to_owned(),
        message: item.words.line(),
    }
}

/// `FILE:LINE`.
fn split_place(at: Option<&str>) -> (Option<String>, Option<u64>) {
    let Some((file, line)) = at.and_then(|at| at.rsplit_once(':')) else { return (None, None) };
    match line.parse() {
        Ok(line) => (Some(file.to_owned()), Some(line)),
        Err(_) => (None, None),
    }
}

impl Annotation {
    fn command(&self) -> String {
        let mut command = "::error ".to_owned();
        if let Some(file) = &self.file {
            let _ = write!(command, "file={},", property(file));
        }
        if let Some(line) = self.line {
            let _ = write!(command, "line={line},");
        }
        let _ = write!(command, "title={}::{}", property(&self.title), data(&self.message));
        command
    }
}

/// A message: escaped as the toolkit of GitHub does, and what steers a terminal as it is everywhere.
fn data(text: &str) -> String {
    let line = |text: &str| printable(text).replace('%', "%25");
    let lines = text.split('\n').map(|text| text.split('\r').map(line).collect::<Vec<_>>());
    lines.map(|parts| parts.join("%0D")).collect::<Vec<_>>().join("%0A")
}

/// A property: its separators escaped, too.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

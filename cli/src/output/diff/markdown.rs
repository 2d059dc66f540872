//! Traces that were compared, as Markdown for the summary page of a CI server. Pairs come in, a text goes out.
//!
//! GitHub refuses a summary of more than 1 MiB as a whole. Invariants: the text is never longer than it may be: whole sections are
//! left out, and it says so; what comes from a trace is in a block of code or escaped.

use std::fmt::Write as _;

use super::sections::{self, Section};
use super::{Found, Pair, Verdict, budgets, places, rule, text, warning_words};
use crate::words::counted;

/// Bytes that a summary may take.
pub(crate) const BYTES_MAX: usize = 1_000_000;

/// Bytes kept free to say what was left out.
const LEFT_OUT_BYTES: usize = 100;

/// The summary of all pairs, in at most `most` bytes.
pub(crate) fn summary(pairs: &[Pair], most: usize) -> String {
    let mut all = String::new();
    let mut left = 0;
    let mut put = |section: &str| {
        if all.len() + section.len() + LEFT_OUT_BYTES <= most {
            all.push_str(section);
        } else {
            left += 1;
        }
    };
    // Verdicts before details: they are what must not be left out.
    for section in pairs.iter().map(verdict).chain(pairs.iter().flat_map(sections)) {
        put(&section);
    }
    if left > 0 && most >= LEFT_OUT_BYTES {
        let _ = writeln!(
            all,
            "\n*{} left out: the summary would be too long*",
            counted(left, "section")
        );
    }
    all
}

fn verdict(pair: &Pair) -> String {
    let sign = match (pair.verdict(), pair.passes()) {
        (Verdict::Trouble, _) => "⚠️",
        (_, true) => "✅",
        (_, false) => "❌",
    };
    let words = text::verdict_words(pair);
    let (base, new) = (code(&pair.base.path), code(&pair.new.path));
    format!("### {sign} {}: {base} | {new}\n\n{}\n\n", pair.verdict().name(), escaped(&words))
}

fn sections(pair: &Pair) -> Vec<String> {
    let mut sections = Vec::new();
    match &pair.found {
        Found::Trouble(trouble) if !trouble.hints.is_empty() => {
            let hints: Vec<String> =
                trouble.hints.iter().map(|hint| format!("- {}\n", code(hint))).collect();
            sections.push(format!("{}\n", hints.concat()));
        }
        Found::Trouble(_) | Found::Only(_) => {}
        Found::Report(_) | Found::Logs(_) => {
            sections.extend(budget_table(pair));
            let found = sections::of(pair);
            sections.extend(found.iter().filter(|one| !one.is_same()).map(details));
        }
    }
    if pair.verdict() == Verdict::Different {
        let rule = escaped(&rule::words(&pair.rule));
        let command = fenced(&pair.command());
        sections.push(format!("To look at it:\n\n{command}\nRule: {rule}\n\n"));
    }
    for warning in &pair.warnings {
        sections.push(format!("- warning: {}\n", escaped(&warning_words(warning))));
    }
    sections
}

fn budget_table(pair: &Pair) -> Option<String> {
    if pair.budgets.is_empty() {
        return None;
    }
    let mut table =
        "| | budget | base → new | change | limit | |\n|---|---|---|---|---|---|\n".to_owned();
    for budget in &pair.budgets {
        let cells = [
            budgets::sign(budget).replace('~', "\\~"),
            escaped(&budget.name),
            escaped(&budgets::figures(budget)),
            budgets::change(budget),
            escaped(&budget.limit),
            escaped(&budgets::notes(budget)),
        ];
        let _ = writeln!(table, "| {} |", cells.join(" | "));
    }
    table.push('\n');
    Some(table)
}

/// A run that differs, folded away.
fn details(section: &Section) -> String {
    let mut lines: Vec<String> = section.lines().collect();
    if section.left() > 0 {
        lines.push(format!("… {}", counted(section.left(), "more difference")));
    }
    let place = if section.place.is_empty() { "differences" } else { section.place.as_str() };
    let counts = places::counts(&section.counts);
    format!(
        "<details><summary>{}: {counts}</summary>\n\n{}\n</details>\n\n",
        html_escaped(place),
        fenced(&lines.join("\n"))
    )
}

/// A block of code that holds `text`, whatever it is.
fn fenced(text: &str) -> String {
    let fence = "`".repeat(longest_ticks(text).max(2) + 1);
    format!("{fence}text\n{text}\n{fence}\n")
}

/// `text` as code in a line.
fn code(text: &str) -> String {
    let fence = "`".repeat(longest_ticks(text) + 1);
    let text = crate::output::printable(text);
    if fence.len() > 1 {
        format!("{fence} {text} {fence}")
    } else {
        format!("{fence}{text}{fence}")
    }
}

fn longest_ticks(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

fn html_escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// `text` with all that Markdown or HTML would take for more than letters escaped.
fn escaped(text: &str) -> String {
    let text = crate::output::printable(text);
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' | '@' => {
                escaped.extend(['\\', character]);
            }
            _ => escaped.push(character),
        }
    }
    escaped
}

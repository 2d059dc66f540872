//! Traces that were compared, as one file for a browser. Pairs come in, a document goes out.
//!
//! Invariants: the document needs nothing else, no script, no network; every value is escaped.

use std::fmt::Write as _;

use super::sections::{self, Section};
use super::{Found, Pair, Verdict, budgets, places, rule, text, warning_words};
use crate::output::printable;
use crate::words::counted;

/// All styles; colours for a bright and for a dark screen.
const STYLE: &str = "\
:root { color-scheme: light dark; --add: #1a7f37; --remove: #cf222e; --change: #9a6700; --move: #0969da; }
@media (prefers-color-scheme: dark) { :root { --add: #3fb950; --remove: #f85149; --change: #d29922; --move: #58a6ff; } }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
h2 { border-top: 1px solid #8884; padding-top: 1rem; overflow-wrap: anywhere; }
table { border-collapse: collapse; margin: 1rem 0; }
td, th { padding: .15rem .75rem .15rem 0; text-align: left; vertical-align: top; }
code, pre, .rows { font-family: ui-monospace, monospace; font-size: 13px; }
pre { overflow-x: auto; margin: .25rem 0 .75rem 1rem; }
summary { cursor: pointer; }
.verdict { font-weight: 600; } .same { color: var(--add); } .different, .trouble { color: var(--remove); }
.added { color: var(--add); } .removed { color: var(--remove); } .changed { color: var(--change); } .moved { color: var(--move); }
.quiet { opacity: .7; }
";

/// The document.
pub(crate) fn document(pairs: &[Pair]) -> String {
    let worst = pairs.iter().map(Pair::verdict).max().unwrap_or(Verdict::Same);
    let mut html =
        String::from("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    html.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    let _ = writeln!(html, "<title>{}: blkreplay diff</title>", worst.name());
    let _ = writeln!(html, "<style>\n{STYLE}</style>\n</head>\n<body>");
    let _ = writeln!(html, "<h1>blkreplay diff: {}</h1>", worst.name());
    if pairs.len() > 1 {
        contents(pairs, &mut html);
    }
    for (number, pair) in pairs.iter().enumerate() {
        section(number, pair, &mut html);
    }
    html.push_str("</body>\n</html>\n");
    html
}

fn contents(pairs: &[Pair], html: &mut String) {
    html.push_str("<table>\n");
    for (number, pair) in pairs.iter().enumerate() {
        let verdict = pair.verdict().name();
        let path = escaped(&pair.base.path);
        let _ = writeln!(
            html,
            "<tr><td class=\"verdict {verdict}\">{verdict}</td><td><a href=\"#pair-{number}\">{path}</a></td></tr>"
        );
    }
    html.push_str("</table>\n");
}

fn section(number: usize, pair: &Pair, html: &mut String) {
    let (base, new) = (escaped(&pair.base.path), escaped(&pair.new.path));
    let _ =
        writeln!(html, "<h2 id=\"pair-{number}\"><code>{base}</code> | <code>{new}</code></h2>");
    let verdict = pair.verdict().name();
    let words = escaped(&text::verdict_words(pair));
    let _ = writeln!(html, "<p><span class=\"verdict {verdict}\">{verdict}</span>: {words}</p>");
    match &pair.found {
        Found::Trouble(trouble) => {
            for hint in &trouble.hints {
                let _ = writeln!(html, "<p>hint: <code>{}</code></p>", escaped(hint));
            }
        }
        Found::Only(_) => {}
        Found::Report(_) | Found::Logs(_) => {
            let rule = escaped(&rule::words(&pair.rule));
            let _ = writeln!(html, "<p class=\"quiet\">rule: {rule}</p>");
            budget_table(pair, html);
            for section in sections::of(pair) {
                of_section(&section, html);
            }
        }
    }
    for warning in &pair.warnings {
        let _ = writeln!(html, "<p>warning: {}</p>", escaped(&warning_words(warning)));
    }
    let _ = writeln!(html, "<p class=\"quiet\"><code>{}</code></p>", escaped(&pair.command()));
}

fn budget_table(pair: &Pair, html: &mut String) {
    if pair.budgets.is_empty() {
        return;
    }
    html.push_str(
        "<table>\n<tr><th></th><th>budget</th><th>base → new</th><th>change</th><th>limit</th><th></th></tr>\n",
    );
    for budget in &pair.budgets {
        let cells = [
            budgets::sign(budget).to_owned(),
            budget.name.clone(),
            budgets::figures(budget),
            budgets::change(budget),
            budget.limit.clone(),
            budgets::notes(budget),
        ];
        let class = if budget.is_over() { " class=\"different\"" } else { "" };
        let cells = cells.map(|cell| format!("<td>{}</td>", escaped(&cell))).concat();
        let _ = writeln!(html, "<tr{class}>{cells}</tr>");
    }
    html.push_str("</table>\n");
}

fn of_section(section: &Section, html: &mut String) {
    let place = match section.place.as_str() {
        "" => String::new(),
        place => format!("{}: ", escaped(place)),
    };
    let counts = places::counts(&section.counts);
    if section.is_same() {
        let _ = writeln!(html, "<p class=\"quiet rows\">{place}{counts}</p>");
        return;
    }
    let _ =
        writeln!(html, "<details open><summary class=\"rows\">{place}{counts}</summary>\n<pre>");
    for item in &section.items {
        for (number, line) in item.words.lines().iter().enumerate() {
            let class = if number == 0 { item.kind.name() } else { "quiet" };
            let _ = writeln!(html, "<span class=\"{class}\">{}</span>", escaped(line));
        }
    }
    if section.left() > 0 {
        let left = counted(section.left(), "more difference");
        let _ = writeln!(html, "<span class=\"quiet\">… {left}</span>");
    }
    html.push_str("</pre></details>\n");
}

/// `text` as an element or an attribute takes it.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in printable(text).chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(character),
        }
    }
    escaped
}

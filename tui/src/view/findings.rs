//! What is worth a look: a line a finding, and all of the one that is looked at.
//!
//! ```text
//!  66 findings: !1 error  *1 warn  ·64 info                                how many
//!    level code  request       time  what                                  list
//!  >! error f2       #121   0.048400  write 135266304+4096 got EIO: it …
//!  ── f2 error-reply ──────────────────────────────────────────────────    all of it
//!  write 135266304+4096 got EIO: it failed
//! ```

use blkreplay_core::view::findings::Level;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

use super::line::{bold_rule, item};
use crate::action::Like;
use crate::app::App;
use crate::expert::Found;
use crate::state::findings::{self, Listed};
use crate::words;

/// Below this width a line has no level and no time.
const WIDE: u16 = 60;

/// From this height on there is a heading, and advice beside the sentence.
const HIGH: u16 = 12;

/// Draws the list.
pub(super) fn draw(app: &mut App, frame: &mut Frame<'_>, area: Rect) {
    let is_high = area.height >= HIGH;
    let rows = [
        Constraint::Length(1),
        Constraint::Length(u16::from(is_high)),
        Constraint::Fill(1),
        Constraint::Length(if is_high { 7 } else { area.height.saturating_sub(3).min(3) }),
    ];
    let [summary, heading, list, foot] = Layout::vertical(rows).areas(area);
    let shown = app.filtering.applied.as_ref().map(|applied| &*applied.found);
    let listed = app.findings.listed(shown);
    let (at, count) = (app.findings.at(&listed, app.requests.focus()), listed.len());
    frame.render_widget(Paragraph::new(said(app, &listed, summary.width)), summary);
    let is_wide = area.width >= WIDE;
    let bold = Style::new().add_modifier(Modifier::BOLD);
    if is_high {
        let names = if is_wide {
            "   level code  request        time  what"
        } else {
            "   code  request  what"
        };
        frame.render_widget(Paragraph::new(Line::styled(names, bold)), heading);
    }
    let told = about(app, &listed, at, foot.width, is_high);
    frame.render_widget(Paragraph::new(told), foot);
    if count == 0 {
        frame.render_widget(Paragraph::new(format!("   {}", nothing(app))), list);
        return;
    }
    let on_screen = app.findings.on_screen(at, count, usize::from(list.height));
    let shown = app.filtering.applied.as_ref().map(|applied| &*applied.found);
    let listed = app.findings.listed(shown);
    let lines = on_screen.map(|line| {
        let (text, style) = match listed.found.get(line) {
            Some(found) => (row(app, found, is_wide), colour(found.finding.rule.level)),
            None => (format!("  {}", note(&listed, line)), Style::new()),
        };
        item(&text, line == at, style, usize::from(area.width))
    });
    frame.render_widget(Paragraph::new(lines.collect::<Vec<_>>()), list);
}

/// How many there are, for the title; `None` before anybody asked.
pub(super) fn counted(app: &App) -> Option<String> {
    let findings = &app.findings;
    let approximate = approximate(app);
    let sign = findings.worst().map(words::sign);
    match (findings.count(), sign) {
        _ if findings.number == 0 => None,
        (count, Some(sign)) => {
            Some(format!("{approximate}{sign}{} {}", words::count(count), noun(count)))
        }
        _ if approximate.is_empty() => Some("no findings".to_owned()),
        _ => Some("~0 findings".to_owned()),
    }
}

/// What a request has, for its detail.
pub(super) fn of_request(app: &App, width: u16) -> Vec<String> {
    let mut lines = Vec::new();
    let mut label = "finding";
    for found in app.findings.of(app.requests.focus()) {
        let text = format!("{} {} {}", sign(found), found.finding.rule.code, found.finding);
        let wrapped = words::wrapped(&text, usize::from(width).saturating_sub(10));
        for line in wrapped {
            lines.push(format!(" {label:<8} {line}"));
            label = "";
        }
    }
    lines
}

fn noun(count: u64) -> &'static str {
    if count == 1 { "finding" } else { "findings" }
}

fn sign(found: &Found) -> char {
    words::sign(found.finding.rule.level)
}

fn colour(level: Level) -> Style {
    match level {
        Level::Info => Style::new(),
        Level::Warn => Style::new().fg(Color::Yellow),
        Level::Error => Style::new().fg(Color::Red),
    }
}

/// A mark before numbers that are not final.
fn approximate(app: &App) -> &'static str {
    let is_final = app.live.is_final(app.findings.growth);
    if app.findings.goes_on() || app.findings.error.is_some() || !is_final { "~" } else { "" }
}

fn said(app: &App, listed: &Listed<'_>, width: u16) -> Line<'static> {
    let findings = &app.findings;
    let levels = findings.levels();
    let is_wide = width >= WIDE;
    let (all, mark) = (findings.count(), approximate(app));
    let noun = if is_wide { format!(" {}", noun(all)) } else { String::new() };
    let colon = if all > 0 { ":" } else { "" };
    let mut parts = vec![format!(" {mark}{}{noun}{colon}", words::count(all))];
    for (level, name) in Level::NAMES.iter().rev() {
        let count = levels[*level as usize];
        if count > 0 {
            let name = if is_wide { format!(" {name} ") } else { String::new() };
            parts.push(format!("{}{}{name}", words::sign(*level), words::count(count)));
        }
    }
    if app.filtering.applied.is_some() {
        let shown = words::count(listed.found.len() as u64);
        let what = if is_wide { "of requests that the filter shows" } else { "shown" };
        parts.push(format!(" {shown} {what}"));
    }
    if findings.goes_on() {
        let percent = words::progress(findings.done, app.requests.len());
        parts.push(format!(" looked at {percent} %; esc stops"));
    }
    parts.extend(said_by_summaries(app).filter(|_| is_wide));
    parts.extend(findings.error.as_ref().map(|error| format!(" {error}")));
    let style = Style::new();
    let style = if findings.error.is_some() { style.fg(Color::Red) } else { style };
    Line::styled(parts.join(" "), style)
}

/// What summaries say of all of the trace that will be among the findings, as long as they are looked for.
fn said_by_summaries(app: &App) -> Option<String> {
    let is_asked = app.findings.goes_on() && !app.outline.parts().is_empty();
    let total = Some(app.outline.total()).filter(|_| is_asked)?;
    let failed = app.outline.sum(|count| count.errors);
    let never = app.outline.sum(|count| count.issues.saturating_sub(count.completions));
    let counts = [(failed, "failed"), (never, "never completed"), (total.lost, "events dropped")];
    let said = counts.iter().filter(|(count, _)| *count > 0);
    let said: Vec<_> =
        said.map(|(count, what)| format!("~{} {what}", words::count(*count))).collect();
    Some(if said.is_empty() {
        let so_far = if app.outline.is_whole() && !app.live.grows() { "" } else { " so far" };
        format!(" summaries: none failed{so_far}")
    } else {
        format!(" {}", said.join(", "))
    })
}

/// Why the list is empty.
fn nothing(app: &App) -> &'static str {
    let findings = &app.findings;
    let applied = app.filtering.applied.as_ref();
    if applied.is_some_and(|applied| !applied.is_done) {
        "the filter goes first"
    } else if findings.goes_on() {
        "nothing found yet"
    } else if applied.is_some() && findings.count() > 0 {
        "no request that the filter shows has a finding"
    } else if findings.error.is_some() {
        "nothing found before it ended"
    } else {
        "no findings"
    }
}

/// The device, where there are several.
fn device(app: &App, found: &Found) -> String {
    let devices = &app.header.devices;
    let device = found.finding.device.and_then(|device| devices.get(usize::from(device.0)));
    let device = device.filter(|_| devices.len() > 1);
    device.map_or_else(String::new, |device| format!("on {}: ", device.name))
}

fn row(app: &App, found: &Found, is_wide: bool) -> String {
    let device = device(app, found);
    let finding = &found.finding;
    let rule = finding.rule;
    let request = finding.request.map_or_else(|| "-".to_owned(), |id| id.to_string());
    let (sign, code) = (sign(found), rule.code);
    if is_wide {
        let (level, time) = (rule.level.name(), words::seconds(finding.time));
        format!("{sign} {level:<5} {code:<4} {request:>8} {time:>11}  {device}{finding}")
    } else {
        format!("{sign} {code:<4} {request:>8}  {device}{finding}")
    }
}

fn note(listed: &Listed<'_>, line: usize) -> String {
    let note = line.checked_sub(listed.found.len()).and_then(|note| listed.notes.get(note));
    note.cloned().unwrap_or_default()
}

/// All of the finding that is looked at.
fn about(
    app: &App,
    listed: &Listed<'_>,
    at: usize,
    width: u16,
    is_high: bool,
) -> Vec<Line<'static>> {
    let width = usize::from(width);
    let wrapped = |text: &str| words::wrapped(text, width.saturating_sub(2));
    let indented = |line: String| Line::raw(format!(" {line}"));
    let mut lines = Vec::new();
    let (title, text) = match listed.found.get(at) {
        Some(found) => {
            let rule = found.finding.rule;
            (
                format!("{} {}", rule.code, rule.name),
                format!("{}{}", device(app, found), found.finding),
            )
        }
        None if listed.is_empty() => return lines,
        None => ("of the whole trace".to_owned(), note(listed, at)),
    };
    if is_high {
        lines.push(bold_rule(&title, width));
    }
    lines.extend(wrapped(&text).into_iter().map(indented));
    if let Some(found) = listed.found.get(at).filter(|_| is_high) {
        let hint = format!("hint: {}", found.finding.rule.about);
        lines.extend(wrapped(&hint).into_iter().map(indented));
        if let Some(ids) = findings::term(&found.finding, Like::This) {
            let name = &app.word;
            lines.push(indented(format!("look: blkreplay print {name} -f '{ids}'")));
        }
    }
    lines
}

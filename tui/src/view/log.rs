//! What there is to see of a QEMU log beside its events and checkpoints: what is wrong with it, its events by kind; and of all other views
//! why there is nothing, in words.
//!
//! Invariant: no view of a log is an empty box.

use std::fmt::Write as _;

use blkreplay_core::qemu::LogFinding;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

use super::line::item;
use crate::action::View;
use crate::app::App;
use crate::state::log::Log;
use crate::words;

/// What to do about it.
const RECORD: &str = "Record its disk over NBD as well: blkreplay record IMAGE -o t.blkr -- qemu-system-… and inspect t.blkr.";

/// What compares logs.
const COMPARE: &str = "Two QEMU logs are compared event by event by blkreplay diff BASE NEW, which says where they part first.";

/// Lines for the advice on a finding.
const ADVICE: u16 = 3;

/// How much a log holds, for the title, and in full what was found; nothing of a trace.
pub(super) fn held(app: &App, is_full: bool) -> Option<String> {
    let log = app.log.as_ref()?;
    let place = log.progress.place;
    let about = if log.is_whole { "" } else { "~" };
    let mut text = format!("{about}{} events", words::count(place.event));
    if !log.is_whole && log.error.is_none() {
        let percent = words::progress(place.at, log.progress.of);
        let _ = write!(text, ", {percent} % read");
    }
    if log.found() > 0 && is_full {
        let about = if log.goes_on() { "~" } else { "" };
        let _ = write!(text, "  {about}{} found", words::count(log.found()));
    }
    Some(text)
}

/// Draws a view of a log that lists neither its events nor its checkpoints.
pub(super) fn draw(app: &mut App, frame: &mut Frame<'_>, area: Rect) {
    let view = app.view;
    let Some(log) = &mut app.log else { return };
    match view {
        View::Diff => draw_words(&[COMPARE], frame, area),
        View::Findings => draw_findings(log, frame, area),
        View::Stats => draw_kinds(log, frame, area),
        other => draw_words(&[lacks(other), RECORD], frame, area),
    }
}

/// What a log lacks for a view.
fn lacks(view: View) -> &'static str {
    match view {
        View::Map => {
            "A QEMU log has no offsets and no lengths: there is no map. Of a request it holds only its number, where its completion \
             was released."
        }
        View::Latency => {
            "A QEMU log has no times: there are no latencies. It counts the instructions of the guest instead, which 1 and 7 show as \
             icount."
        }
        View::Epochs => {
            "A QEMU log does not tell flushes from other requests: there are no epochs. A completion says nothing but the number of \
             its request."
        }
        _ => {
            "A QEMU log has events and no requests: there is nothing to show here. Of a request it holds only its number, where its \
             completion was released."
        }
    }
}

fn draw_words(texts: &[&str], frame: &mut Frame<'_>, area: Rect) {
    let width = usize::from(area.width.saturating_sub(2)).min(78);
    let mut lines = vec![Line::raw("")];
    for text in texts {
        let wrapped = words::wrapped(text, width);
        lines.extend(wrapped.into_iter().map(|line| Line::raw(format!(" {line}"))));
        lines.push(Line::raw(""));
    }
    frame.render_widget(Paragraph::new(lines), area);
}

/// Events by kind, as `blkreplay stats` has them.
fn draw_kinds(log: &Log, frame: &mut Frame<'_>, area: Rect) {
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let Some(survey) = log.checked.as_ref().map(|checked| &checked.survey) else {
        let told = match &log.error {
            Some(error) => format!("the log cannot be read further: {error}"),
            None => "Events are counted while the log is checked.".to_owned(),
        };
        return draw_words(&[&told], frame, area);
    };
    let tally = &survey.tally;
    let mut lines = vec![
        Line::raw(format!(
            " layout {}, of QEMU {}  {} instructions  {} requests completed",
            log.layout.label,
            log.layout.releases,
            words::count(tally.icount),
            words::count(tally.blocks.completions),
        )),
        Line::styled(format!(" {:<24} {:>14} {:>6}", "kind", "events", "%"), bold),
    ];
    for (kind, count) in &tally.counts {
        let share = words::percent(*count, tally.events);
        lines.push(Line::raw(format!(
            " {:<24} {:>14} {share:>6}",
            kind.name(),
            words::count(*count)
        )));
    }
    frame.render_widget(Paragraph::new(lines), area);
}

fn draw_findings(log: &mut Log, frame: &mut Frame<'_>, area: Rect) {
    let advice = if area.height > ADVICE + 4 { ADVICE } else { 0 };
    let rows = [Constraint::Length(1), Constraint::Fill(1), Constraint::Length(advice)];
    let [sums, list, below] = Layout::vertical(rows).areas(area);
    let width = usize::from(area.width);
    frame.render_widget(Paragraph::new(said(log)), sums);
    let (on_screen, at) = log.on_screen(usize::from(list.height));
    let lines =
        on_screen.map(|line| item(&row(&log.findings()[line]), line == at, Style::new(), width));
    frame.render_widget(Paragraph::new(lines.collect::<Vec<_>>()), list);
    if let Some(finding) = log.finding() {
        let text = format!("{}: {}", finding.fault, finding.fault.hint());
        let wrapped = words::wrapped(&text, width.saturating_sub(1));
        let lines = wrapped.into_iter().map(|line| Line::raw(format!(" {line}")));
        frame.render_widget(Paragraph::new(lines.collect::<Vec<_>>()), below);
    }
}

fn row(finding: &LogFinding) -> String {
    let LogFinding { place, fault } = finding;
    let sign = words::level(fault.level());
    format!("{sign} {:<15} event {:<9} {fault}", fault.code(), place.event)
}

fn said(log: &Log) -> Line<'static> {
    let kept = log.findings().len() as u64;
    let found = words::count(log.found());
    let about = if log.goes_on() { "~" } else { "" };
    let mut parts = vec![format!(" {about}{found} found, as blkreplay check finds them")];
    if log.goes_on() {
        let done = if log.is_whole { log.checking } else { 0 };
        let percent = words::progress(done, log.progress.of);
        parts.insert(1, format!("checked {percent} %"));
    } else if kept < log.found() {
        parts.push(format!("the first {} are listed", words::count(kept)));
    } else if kept == 0 && log.error.is_none() {
        parts.push("QEMU replays a log like this one".to_owned());
    }
    let error = log.error.as_ref().map(|error| format!("cannot be read further: {error}"));
    let style = if error.is_some() { Style::new().fg(Color::Red) } else { Style::new() };
    parts.extend(error);
    Line::styled(parts.join("  "), style)
}

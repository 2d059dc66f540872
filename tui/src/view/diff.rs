//! Where the trace differs from a base: both side by side.
//!
//! ```text
//!  13 differences: 3 changed, 8 added, 1 removed, 1 moved; 4,178 same         what was found
//!    base boot.blkr                       │   new run.blkr                     whose requests
//!  ──────────────────────────── epoch 7 ──┼─────────────────────── epoch 7 ──  list
//!  ~ 2034   W  0             4k  71aa… ok │ ~ 2036   W  0        4k  e01b… ok
//!  · 2,170 same requests in epochs 8-11, Enter to open
//!  + ·····································│ + 4183   F  -        -         ok
//!  ~ #2034 | #2036  write 0+4096  payload 71aa… → e01b…                        what is looked at
//! ```
//!
//! Where there is no room for two sides, a line has the requests of both. Invariant: what differs is told by a mark before its
//! colour.

mod bytes;
mod said;
mod side;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line as Text, Span};
use ratatui::widgets::Paragraph;

use crate::app::{App, HOW, Over};
use crate::state::diff::{Diff, Line, Stage};
use crate::words;

/// Below this width there is no room for two sides.
const WIDE: u16 = 80;

/// From this height on there is a heading, and what is looked at is told below.
const HIGH: u16 = 6;

/// Below this height bytes leave only the line that is looked at.
const SMALL: usize = 15;

/// Lines that warnings take at most.
const WARNINGS: usize = 3;

/// What is asked before the base is replaced.
pub(super) fn question(app: &App) -> String {
    let base = app.diff.as_ref().map_or("", |diff| &diff.base);
    format!(" replace {base} by {}? y/n", app.name)
}

/// Draws it.
pub(super) fn draw(app: &mut App, frame: &mut Frame<'_>, area: Rect) {
    let Some(diff) = &app.diff else {
        let width = usize::from(area.width.saturating_sub(2));
        let lines =
            words::wrapped(HOW, width).into_iter().map(|line| Text::raw(format!(" {line}")));
        frame.render_widget(Paragraph::new(lines.collect::<Vec<_>>()), area);
        return;
    };
    let width = usize::from(area.width);
    let warnings = warnings(diff, width);
    let is_high = area.height >= HIGH;
    let has_heading = is_high && area.width >= WIDE && !diff.lines().is_empty();
    let foot = foot(app, area);
    let rows = [
        Constraint::Length(1),
        Constraint::Length(u16::try_from(warnings.len()).unwrap_or(0).min(area.height / 3)),
        Constraint::Length(u16::from(has_heading)),
        Constraint::Fill(1),
        Constraint::Length(u16::try_from(foot.len()).unwrap_or(u16::MAX)),
    ];
    let [summary, warned, heading, list, below] = Layout::vertical(rows).areas(area);
    frame.render_widget(Paragraph::new(said::summary(app, diff, width)), summary);
    frame.render_widget(Paragraph::new(warnings), warned);
    if has_heading {
        frame.render_widget(Paragraph::new(side::heading(app, diff, width)), heading);
    }
    frame.render_widget(Paragraph::new(foot), below);
    if diff.lines().is_empty() {
        let lines = said::nothing(app, diff, width.saturating_sub(2));
        let lines = lines.into_iter().map(|line| Text::raw(format!(" {line}")));
        frame.render_widget(Paragraph::new(lines.collect::<Vec<_>>()), list);
        return;
    }
    draw_list(app, frame, list);
}

fn draw_list(app: &mut App, frame: &mut Frame<'_>, area: Rect) {
    let Some(diff) = &mut app.diff else { return };
    let on_screen = diff.on_screen(usize::from(area.height));
    let at = diff.at();
    let width = usize::from(area.width);
    let lines: Vec<Text<'_>> = on_screen
        .filter_map(|number| Some((number, *diff.lines().get(number)?)))
        .map(|(number, line)| {
            let text = line_of(diff, line, area.width);
            if number == at { picked(&text, width) } else { text }
        })
        .collect();
    frame.render_widget(Paragraph::new(lines), area);
}

/// The line that is looked at: reversed, up to the edge.
fn picked(text: &Text<'_>, width: usize) -> Text<'static> {
    let plain: String = text.spans.iter().map(|span| span.content.as_ref()).collect();
    let mut plain: String = format!("{plain:<width$}");
    if let Some(rest) = plain.strip_prefix(' ') {
        plain = format!(">{rest}");
    }
    let color = text.spans.iter().find_map(|span| span.style.fg);
    let style = color.map_or_else(Style::new, |color| Style::new().fg(color));
    Text::styled(plain, style.add_modifier(Modifier::REVERSED))
}

fn line_of(diff: &Diff, line: Line, width: u16) -> Text<'static> {
    let is_wide = width >= WIDE;
    let width = usize::from(width);
    match line {
        Line::Epoch(section) => {
            let style = Style::new().add_modifier(Modifier::BOLD);
            Text::styled(side::separator(diff, section, width, is_wide), style)
        }
        Line::Fold(section) => Text::styled(
            format!("   · {}", said::fold(diff, section)),
            Style::new().fg(Color::DarkGray),
        ),
        Line::Rest => Text::raw(format!("   · {}", said::rest(diff))),
        Line::Difference(number) => {
            let Some(difference) = diff.found.differences.get(number) else {
                return Text::default();
            };
            let (base, new) = (difference.base.as_slice(), difference.new.as_slice());
            let kind = Some(difference.kind);
            if is_wide {
                side::both(kind, base, new, difference.facts, width)
            } else {
                side::one(kind, base, new, width)
            }
        }
        Line::Row(..) => {
            let (base, new) = diff.requests(line);
            let none = blkreplay_core::diff::Facts::NONE;
            if is_wide {
                side::both(None, base, new, none, width)
            } else {
                side::one(None, base, new, width)
            }
        }
    }
}

/// What is to be said of the comparison before anything else.
fn warnings(diff: &Diff, width: usize) -> Vec<Text<'static>> {
    let mut lines = Vec::new();
    // Without lines it stands where they would be.
    let is_alone = diff.stage == Stage::Failed && diff.lines().is_empty();
    let trouble = diff.trouble.as_ref().filter(|_| !is_alone);
    let trouble = trouble.map(|trouble| &trouble.message);
    let gave_up = diff.found.gave_up.map(said::gave_up);
    for warning in gave_up.iter().chain(&diff.terms.warnings).chain(trouble) {
        let wrapped = words::wrapped(warning, width.saturating_sub(3));
        lines.extend(wrapped.into_iter().map(|line| format!(" ! {line}")));
    }
    let more = lines.len() > WARNINGS;
    lines.truncate(WARNINGS);
    if let Some(last) = lines.last_mut().filter(|_| more) {
        last.push('…');
    }
    let style = Style::new().fg(Color::Yellow);
    lines.into_iter().map(|line| Text::styled(line, style)).collect()
}

/// What is told below the list: rules that are proposed, or all that is known of what is looked at.
fn foot(app: &App, area: Rect) -> Vec<Text<'static>> {
    let Some(diff) = &app.diff else { return Vec::new() };
    if area.height < HIGH || diff.lines().is_empty() {
        return Vec::new();
    }
    let width = usize::from(area.width);
    if let Some(Over::Rules(rules, _)) = &app.over {
        let room = usize::from(area.height.saturating_sub(3));
        return said::rules(&diff.rules_file, &rules.text, width, room);
    }
    let Some(line) = diff.picked() else { return Vec::new() };
    let mut lines = said::about(diff, line, width);
    if let (true, Line::Difference(number)) = (diff.shows_bytes, line) {
        // The line that is looked at stays in sight, with what was found.
        let height = usize::from(area.height);
        let room = if height < SMALL { height - 2 } else { height * 2 / 3 };
        lines = bytes::lines(diff, number, lines, width, room);
    } else {
        lines.truncate(2.min(usize::from(area.height / 4).max(1)));
    }
    lines
}

/// A text that is bold.
fn bold(text: String) -> Span<'static> {
    Span::styled(text, Style::new().add_modifier(Modifier::BOLD))
}

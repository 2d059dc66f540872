//! Checkpoints, a line each with what was released at it, and the one that is looked at in full.
//!
//! ```text
//!        time kind                block    bh   net input  char      open requests
//!  >  1.204613 controller             2     0     0     0     0    6 → 4 #1214 #1209
//! ── controller, event 412 ─────────────────────────────────────── in full
//! ```
//!
//! Columns that do not fit are left out, those that say least first; kind, completions and requests stay.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

use super::line::{bold_rule, item_of};
use super::table::{self, Column, numbers};
use crate::app::App;
use crate::events::{Missing, Release};
use crate::words;

/// The smallest screen that has the checkpoint that is looked at in full below the list.
const WIDE: u16 = 60;
const HIGH: u16 = 15;

/// Lines for it.
const DETAIL: u16 = 6;

/// Room for the requests.
const REQUESTS: u16 = 10;

/// Ids that a line may list.
const LISTED: usize = 64;

/// Draws the list.
pub(super) fn draw(app: &mut App, frame: &mut Frame<'_>, area: Rect) {
    let has_detail = area.width >= WIDE && area.height >= HIGH;
    let detail = if has_detail { DETAIL } else { 0 };
    let rows = [Constraint::Length(1), Constraint::Fill(1), Constraint::Length(detail)];
    let [heading, list, below] = Layout::vertical(rows).areas(area);
    let columns = columns(app.log.is_some());
    let fitting = table::fitting(&columns, area.width.saturating_sub(REQUESTS + 2));
    let names = format!(" {}requests", table::heading(&columns, &fitting));
    let bold = Style::new().add_modifier(Modifier::BOLD);
    frame.render_widget(Paragraph::new(Line::styled(names, bold)), heading);
    let height = usize::from(list.height);
    let width = usize::from(area.width);
    let log = app.log.as_ref();
    let (rows, at) = app.checkpoints.on_screen(height);
    let lines = rows.into_iter().enumerate().map(|(line, row)| {
        item_of(&cells(row, &columns, &fitting), line == at, is_wrong(log, row), width)
    });
    let lines: Vec<_> = lines.collect();
    if lines.is_empty() {
        let told = words::wrapped(&nothing(app), width.saturating_sub(3));
        let told = told.into_iter().map(|text| Line::raw(format!("  {text}")));
        frame.render_widget(Paragraph::new(told.collect::<Vec<_>>()), list);
        return;
    }
    frame.render_widget(Paragraph::new(lines), list);
    if has_detail {
        draw_detail(app, frame, below);
    }
}

fn columns(is_log: bool) -> Vec<Column> {
    let mut columns = vec![
        numbers("event", 10, 5),
        if is_log { numbers("icount", 14, 3) } else { numbers("time", 12, 3) },
        Column { name: "kind", width: 18, is_left: true, drops: 0 },
        numbers("block", 6, 0),
        numbers("bh", 5, 4),
        numbers("net", 5, 6),
        numbers("input", 5, 6),
        numbers("char", 5, 6),
    ];
    if !is_log {
        columns.push(numbers("open", 9, 4));
    }
    columns
}

fn cells(row: &Release, columns: &[Column], fitting: &[usize]) -> String {
    let place = match row.icount {
        Some(icount) => icount.to_string(),
        None => words::seconds(row.time),
    };
    let counts = &row.counts;
    let mut texts = vec![
        row.first.to_string(),
        place,
        row.kind.map_or("no checkpoint", |kind| kind.name()).to_owned(),
        counts.block.to_string(),
        counts.bh.to_string(),
        counts.net.to_string(),
        counts.input.to_string(),
        counts.char.to_string(),
    ];
    if let Some((before, after)) = row.open {
        texts.push(format!("{before} → {after}"));
    }
    format!("{}{}", table::line(columns, fitting, &texts), ids(row))
}

/// The requests that were completed, as far as a line may be long.
fn ids(row: &Release) -> String {
    let ids = row.completed.iter().take(LISTED).map(|one| one.id.to_string());
    let more = row.completed.len().saturating_sub(LISTED);
    let more = (more > 0).then(|| format!("and {more} more"));
    ids.chain(more).collect::<Vec<_>>().join(" ")
}

fn is_wrong(log: Option<&crate::state::log::Log>, row: &Release) -> bool {
    row.missing.is_some_and(|why| why != Missing::Far)
        || log.is_some_and(|log| !log.findings_of(row.first..row.last + 1).is_empty())
}

fn draw_detail(app: &App, frame: &mut Frame<'_>, area: Rect) {
    let Some(row) = app.checkpoints.focused() else { return };
    let width = usize::from(area.width);
    let kind = row.kind.map_or("no checkpoint", |kind| kind.name());
    let title = format!("{kind}, events {} to {}", row.first, row.last);
    let mut told = vec![released(app, row)];
    told.extend(row.missing.map(missing));
    if let Some(log) = &app.log {
        for finding in log.findings_of(row.first..row.last + 1) {
            let fault = &finding.fault;
            let sign = words::level(fault.level());
            told.push(format!("{sign} {} {fault}: {}", fault.code(), fault.hint()));
        }
    }
    told.extend((!row.completed.is_empty()).then(|| format!("requests {}", ids(row))));
    let mut lines = vec![bold_rule(&title, width)];
    for text in told {
        let wrapped = words::wrapped(&text, width.saturating_sub(1));
        lines.extend(wrapped.into_iter().map(|text| Line::raw(format!(" {text}"))));
    }
    frame.render_widget(Paragraph::new(lines), area);
}

/// What was released, and what was queued before and after.
fn released(app: &App, row: &Release) -> String {
    let counts = &row.counts;
    let kinds = [
        (counts.block, "block"),
        (counts.bh, "bh"),
        (counts.net, "net"),
        (counts.input, "input"),
        (counts.char, "char"),
    ];
    let named: Vec<String> = kinds
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, name)| format!("{name} {}", words::count(*count)))
        .collect();
    let named = if named.is_empty() { "nothing".to_owned() } else { named.join(", ") };
    let about = if row.missing == Some(Missing::Far) { "~ " } else { "" };
    match row.open {
        _ if app.log.is_some() && counts.total() > 0 => {
            format!("released {about}{named}: all that was queued, as QEMU does")
        }
        _ if app.log.is_some() => "released nothing: nothing was queued".to_owned(),
        Some(_) if app.filtering.applied.is_some() => {
            format!("released {about}{named}, of the requests that the filter leaves")
        }
        Some((before, after)) => {
            format!("released {about}{named}; requests open: {before} before, {after} after")
        }
        None => format!("released {about}{named}"),
    }
}

fn missing(why: Missing) -> String {
    match why {
        Missing::Dropped(count) => {
            format!("! {} events were dropped among what it released", words::count(count))
        }
        Missing::Unreadable => {
            "! what follows cannot be read: it may have released more".to_owned()
        }
        Missing::Far => "it released more than was looked at".to_owned(),
        Missing::NoCheckpoint => {
            "! no checkpoint follows: a replay never comes to release this".to_owned()
        }
    }
}

/// Why the list is empty.
fn nothing(app: &App) -> String {
    if let Some(error) = &app.events.error {
        return error.clone();
    }
    let is_filtered = app.filtering.applied.is_some();
    match &app.filtering.applied {
        Some(applied) if !applied.is_done => return "the filter goes first".to_owned(),
        _ => {}
    }
    if app.log.as_ref().is_some_and(|log| !log.is_whole && log.error.is_none()) {
        return "no checkpoint was read yet".to_owned();
    }
    if !app.checkpoints.is_none() {
        let (done, of) = app.checkpoints.looked();
        return format!("none found yet: looked at {done} of {of} chunks; esc stops");
    }
    match app.log {
        Some(_) => "there are no checkpoints in this log".to_owned(),
        None if is_filtered => "no checkpoint released a request that the filter leaves".to_owned(),
        None => "this trace has no checkpoints: it does not say which completions were released \
                 together"
            .to_owned(),
    }
}

//! Epochs: what was asked of a device between two flushes, a line each.
//!
//! ```text
//!  60 epochs  600 requests  468 writes  1.8 MiB written                    sums
//!    epoch  requests   writes   written        began     took     flush    list
//!  >    11        10        9    32 KiB     0.047600   4.90ms     900µs
//! ```

use blkreplay_core::request::Operation;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

use super::line::{FOCUS, marked};
use crate::app::App;
use crate::epochs::Epoch;
use crate::words;

/// Below this width only the number, requests, bytes written and the flush are told.
const WIDE: u16 = 72;

/// Draws the list.
pub(super) fn draw(app: &mut App, frame: &mut Frame<'_>, area: Rect) {
    let rows = [Constraint::Length(1), Constraint::Length(1), Constraint::Fill(1)];
    let [sums, heading, list] = Layout::vertical(rows).areas(area);
    frame.render_widget(Paragraph::new(said(app, area.width)), sums);
    let is_wide = area.width >= WIDE;
    let names = ["epoch", "requests", "writes", "written", "began", "took", "flush"];
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let names = names.map(str::to_owned);
    frame.render_widget(
        Paragraph::new(Line::styled(format!(" {}", cells(&names, is_wide)), bold)),
        heading,
    );
    if app.epochs.all().is_empty() {
        frame.render_widget(Paragraph::new(format!("   {}", nothing(app))), list);
        return;
    }
    let at = app.epochs.at(app.requests.focus(), app.requests.focused());
    let on_screen = app.epochs.on_screen(at, usize::from(list.height));
    let width = usize::from(area.width);
    let lines = on_screen.map(|line| {
        let epoch = &app.epochs.all()[line];
        let mark = match is_selected(app, epoch) {
            _ if line == at => FOCUS,
            true => '|',
            false => ' ',
        };
        let (text, failed) = row(app, epoch, is_wide);
        let style = if failed { Style::new().fg(Color::Red) } else { Style::new() };
        marked(&text, mark, style, width)
    });
    frame.render_widget(Paragraph::new(lines.collect::<Vec<_>>()), list);
}

/// Whether the selection has some of the time of an epoch.
fn is_selected(app: &App, epoch: &Epoch) -> bool {
    let Some((from, to)) = app.selected_times() else { return false };
    let is_of = |device| app.area().is_none_or(|area| area.device == device);
    let end = app.epochs.took(epoch).map_or(u64::MAX, |took| epoch.began.0.saturating_add(took.0));
    is_of(epoch.key.0.0) && epoch.began <= to && end >= from.0
}

fn row(app: &App, epoch: &Epoch, is_wide: bool) -> (String, bool) {
    let flush = app.epochs.flush(epoch.key);
    let error = flush.and_then(|flush| flush.result.err());
    let latency = flush.map_or_else(|| "-".to_owned(), |flush| flush.latency.to_string());
    let took = app.epochs.took(epoch).map_or_else(|| "-".to_owned(), |took| took.to_string());
    let (device, number) = epoch.key;
    let values = [
        number.to_string(),
        words::count(epoch.requests),
        words::count(epoch.writes),
        words::size(epoch.written),
        words::seconds(epoch.began),
        took,
        latency,
    ];
    let mut text = cells(&values, is_wide);
    if let Some(error) = error {
        text = format!("{text}  {error} !");
    }
    let devices = &app.header.devices;
    if let Some(device) = devices.get(usize::from(device.0)).filter(|_| devices.len() > 1) {
        text = format!("{text}  {}", device.name);
    }
    (text, error.is_some())
}

/// The columns that there is room for.
fn cells(texts: &[String; 7], is_wide: bool) -> String {
    const WIDTHS: [usize; 7] = [8, 9, 8, 9, 12, 8, 8];
    const NARROW: [bool; 7] = [true, true, false, true, false, false, true];
    let columns = texts.iter().zip(WIDTHS).zip(NARROW).filter(|(_, narrow)| *narrow || is_wide);
    let cells: Vec<_> = columns.map(|((text, width), _)| format!("{text:>width$}")).collect();
    cells.join(" ")
}

fn said(app: &App, width: u16) -> Line<'static> {
    let epochs = &app.epochs;
    let all = epochs.all();
    let sum = |of: fn(&Epoch) -> u64| all.iter().map(of).fold(0, u64::saturating_add);
    let is_cut = app.filtering.applied.as_ref().is_some_and(|applied| applied.error.is_some());
    let is_final = app.live.is_final(epochs.growth);
    let is_known =
        is_final && epochs.is_done && epochs.error.is_none() && epochs.of.is_some() && !is_cut;
    let mark = if is_known && !epochs.is_full { "" } else { "~" };
    let counted = |count: u64, noun: &str| {
        let plural = if count == 1 { "" } else { "s" };
        format!("{mark}{} {noun}{plural}", words::count(count))
    };
    let (number, requests, writes, written) = said_by_summaries(app).unwrap_or((
        Some(all.len() as u64),
        sum(|epoch| epoch.requests),
        sum(|epoch| epoch.writes),
        Some(sum(|epoch| epoch.written)),
    ));
    let number = number.map_or_else(|| "… epochs".to_owned(), |number| counted(number, "epoch"));
    let mut parts = vec![format!(" {number}")];
    parts.push(counted(requests, "request"));
    if width >= WIDE {
        parts.push(counted(writes, "write"));
        let written = written.map(|bytes| format!("{mark}{}", words::size(bytes)));
        parts.push(format!("{} written", written.as_deref().unwrap_or("…")));
    }
    if epochs.is_full {
        parts.push("the first are listed".to_owned());
    }
    if epochs.goes_on() {
        let percent = words::progress(epochs.done, app.requests.len());
        // Sums may be long, and this may not be cut off.
        parts.insert(1, format!("looked at {percent} %; esc stops"));
    }
    parts.extend(epochs.error.clone());
    let style = Style::new();
    let style = if epochs.error.is_some() { style.fg(Color::Red) } else { style };
    Line::styled(parts.join("  "), style)
}

/// Epochs, requests, writes, and bytes written, of all of the trace, as long as they are not counted. Summaries do not say how writes
/// ended, so what was written is not known.
fn said_by_summaries(app: &App) -> Option<(Option<u64>, u64, u64, Option<u64>)> {
    let is_asked = app.epochs.goes_on() && app.filtering.applied.is_none();
    let total =
        Some(app.outline.total()).filter(|_| is_asked && !app.outline.parts().is_empty())?;
    let of = |operation: Operation| total.operations[operation as usize].issues;
    let writes = of(Operation::Write).saturating_add(of(Operation::WriteZeroes));
    // What lies behind the last flush is an epoch too.
    let epochs = total.flushes.map(|flushes| flushes.saturating_add(1));
    Some((epochs, app.outline.sum(|count| count.issues), writes, None))
}

/// Why the list is empty.
fn nothing(app: &App) -> &'static str {
    match &app.filtering.applied {
        Some(applied) if !applied.is_done => "the filter goes first",
        _ if app.epochs.error.is_some() => "nothing found before it ended",
        _ if app.epochs.goes_on() || app.epochs.of.is_none() => "nothing found yet",
        Some(_) => "the filter leaves out all",
        None => "there are no requests in this trace",
    }
}

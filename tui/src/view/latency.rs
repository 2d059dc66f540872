//! How latencies are spread, of the requests that the filter leaves: percentiles of each operation, and below them curves of how
//! many were done within which time, or bars of how many took how long.
//!
//! Invariant: letters say which operation it is; colours only repeat it.

use blkreplay_core::request::Operation;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::plot::{self, Axis, Cell, Grid};
use super::table::{self, Column, numbers};
use super::tally::{self, span};
use crate::app::App;
use crate::look;
use crate::state::sums::Sum;
use crate::words;

/// How wide what stands before the grid is.
const MARGIN: usize = 6;

/// The axis and its labels.
const AXIS_LINES: usize = 2;

/// The smallest height that has a line about what is drawn.
const CAPTION_HEIGHT: usize = 12;

/// Lines of a grid of bars at most.
const BARS_HEIGHT: usize = 20;

fn columns(width: u16) -> [Column; 8] {
    let operation = tally::operation_width(width);
    [
        Column { name: "op", width: operation, is_left: true, drops: 0 },
        numbers("done", if operation < 14 { 8 } else { 12 }, 3),
        numbers("min", 7, 4),
        numbers("p50", 7, 0),
        numbers("p90", 7, 2),
        numbers("p99", 7, 0),
        numbers("p99.9", 7, 1),
        numbers("max", 7, 0),
    ]
}

/// Draws latencies.
pub(super) fn draw(app: &mut App, frame: &mut Frame<'_>, area: Rect) {
    app.say_sums();
    let (width, height) = (area.width, usize::from(area.height));
    let columns = columns(width);
    let fitting = table::fitting(&columns, width.saturating_sub(2));
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let heading = table::heading(&columns, &fitting);
    let mut lines = vec![Line::styled(format!("  {heading}"), bold)];
    lines.extend(tally::notice(app));
    // The grid has most of the room.
    let all = app.tallying.operations().len();
    let shown = (height.saturating_sub(6) / 3).max(1).min(height.saturating_sub(lines.len()));
    let top = app.tallying.operation.top(shown, all);
    let at = app.tallying.operation.at(all);
    let mark = tally::mark(app);
    let operations = app.tallying.operations();
    for (place, sum) in operations.iter().enumerate().skip(top).take(shown) {
        let text = table::line(&columns, &fitting, &texts(sum, mark, width));
        lines.push(tally::line(&text, place == at, Style::new(), width));
    }
    let room = height.saturating_sub(lines.len());
    lines.extend(drawing(app, operations, at, usize::from(width), room));
    frame.render_widget(Paragraph::new(lines), area);
}

fn texts(sum: &Sum, mark: &str, width: u16) -> Vec<String> {
    let known = |nanos| if sum.hides_latency() { "…".to_owned() } else { span(mark, nanos) };
    let latency = |fraction| known(sum.latency.quantile(fraction));
    vec![
        tally::operation(sum.operation, width),
        format!("{mark}{}", words::count(sum.completed)),
        known(sum.latency.min()),
        latency(0.5),
        latency(0.9),
        latency(0.99),
        latency(0.999),
        known(sum.latency.max()),
    ]
}

/// The grid with its axes, of no more lines than there is room for.
fn drawing(
    app: &App,
    operations: &[Sum],
    at: usize,
    width: usize,
    room: usize,
) -> Vec<Line<'static>> {
    let Some(sum) = operations.get(at) else { return Vec::new() };
    let spreads = operations.iter().map(|sum| &sum.latency);
    let Some(axis) = Axis::of(spreads, width.saturating_sub(MARGIN + 1)) else {
        return vec![Line::raw("  none was completed"); usize::from(room > 0)];
    };
    let has_caption = room >= CAPTION_HEIGHT;
    let for_grid = room.saturating_sub(AXIS_LINES + usize::from(has_caption));
    let Some(high) = plot::height(for_grid) else { return Vec::new() };
    let (caption, grid, labels) = if app.tallying.is_histogram {
        bars(sum, at, axis, for_grid.min(BARS_HEIGHT))
    } else {
        curves(operations, at, axis, high)
    };
    let mark = tally::mark(app);
    let mut lines = Vec::new();
    if has_caption {
        lines.push(Line::raw(format!(" {}", tally::marked(&caption, mark))));
    }
    let drawn = grid.iter().zip(labels);
    lines.extend(drawn.map(|(cells, label)| grid_line(cells, &label, operations, at)));
    let [below, labels] = axis.lines();
    lines.push(Line::raw(format!("{:>MARGIN$}{below}", "└")));
    lines.push(Line::raw(format!("{:>MARGIN$}{labels}", "")));
    lines
}

/// What is said above it, the grid, and what stands before each of its lines.
type Drawn = (String, Grid, Vec<String>);

fn curves(operations: &[Sum], at: usize, axis: Axis, height: usize) -> Drawn {
    let spreads: Vec<_> =
        operations.iter().map(|sum| (&sum.latency, letter(sum.operation))).collect();
    let grid = plot::curves(&spreads, at, axis, height);
    let labels = (1..=height).rev().map(|line| format!("{}%", line * 100 / height));
    ("how many of each operation were done within".to_owned(), grid, labels.collect())
}

fn bars(sum: &Sum, at: usize, axis: Axis, height: usize) -> Drawn {
    let grid = plot::bars(&sum.latency, (at, letter(sum.operation)), axis, height);
    let (most, all) = (plot::most(&sum.latency), sum.latency.count());
    let caption = format!(
        "how long each {} took: {} of {} in the highest bar, each a power of two",
        sum.operation,
        words::count(most),
        words::count(all)
    );
    let mut labels = vec![String::new(); height];
    if let Some(highest) = labels.first_mut() {
        *highest = format!("{}%", words::percent(most, all));
    }
    (caption, grid, labels)
}

fn grid_line(cells: &[Cell], label: &str, operations: &[Sum], at: usize) -> Line<'static> {
    let width = MARGIN - 1;
    let mut spans = vec![Span::raw(format!("{label:>width$}│"))];
    spans.extend(cells.iter().map(|cell| match cell {
        None => Span::raw(" "),
        Some((whose, letter)) => {
            let style = Style::new().fg(look::operation(operations[*whose].operation));
            let style = if *whose == at { style.add_modifier(Modifier::BOLD) } else { style };
            Span::styled(letter.to_string(), style)
        }
    }));
    Line::from(spans)
}

fn letter(operation: Operation) -> char {
    words::letter(operation).to_ascii_lowercase()
}

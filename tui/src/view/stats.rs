//! What the requests amount to that the filter leaves: a line an operation, and a line for each thing worth knowing besides.

use blkreplay_core::units::Size;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

use super::table::{self, Column, numbers};
use super::tally::{self, span};
use crate::app::App;
use crate::state::sums::{Said, Sum};
use crate::words;

/// How wide what a line is about is.
const LABEL: usize = 11;

fn columns(width: u16) -> [Column; 11] {
    let operation = tally::operation_width(width);
    [
        Column { name: "op", width: operation, is_left: true, drops: 0 },
        numbers("count", if operation < 14 { 10 } else { 12 }, 0),
        numbers("bytes", 9, 3),
        numbers("avg", 8, 3),
        numbers("p50", 7, 1),
        numbers("p90", 7, 6),
        numbers("p99", 7, 1),
        numbers("max", 7, 2),
        numbers("seq%", 5, 5),
        numbers("4k%", 4, 4),
        numbers("errors", 6, 2),
    ]
}

/// Draws the statistics.
pub(super) fn draw(app: &mut App, frame: &mut Frame<'_>, area: Rect) {
    app.say_sums();
    let columns = columns(area.width);
    let fitting = table::fitting(&columns, area.width.saturating_sub(2));
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let heading = table::heading(&columns, &fitting);
    let mut lines = vec![Line::styled(format!("  {heading}"), bold)];
    lines.extend(tally::notice(app));
    let height = usize::from(area.height).saturating_sub(lines.len());
    let all = app.tallying.lines();
    let top = app.tallying.line.top(height, all);
    let at = app.tallying.line.at(all);
    let mark = tally::mark(app);
    if let Some(sums) = app.tallying.sums() {
        let operations = sums.operations.iter().map(|sum| {
            let text = table::line(&columns, &fitting, &texts(sum, mark, area.width));
            match sum.errors {
                0 => (text, Style::new()),
                // The room for it is what parts the last column from the next.
                _ => (format!("{}!", text.trim_end()), Style::new().fg(Color::Red)),
            }
        });
        let said = sums.lines.iter().map(|said| (sentence(said, mark), Style::new()));
        let shown = operations.chain(said).enumerate().skip(top).take(height);
        lines.extend(
            shown.map(|(place, (text, style))| tally::line(&text, place == at, style, area.width)),
        );
    }
    frame.render_widget(Paragraph::new(lines), area);
}

fn texts(sum: &Sum, mark: &str, width: u16) -> Vec<String> {
    let size = |bytes: Option<u64>| match bytes {
        None | Some(0) => "-".to_owned(),
        Some(bytes) => format!("{mark}{}", Size(bytes)),
    };
    let marked = |text: String| if text == "-" { text } else { format!("{mark}{text}") };
    let place = |part, whole| {
        if sum.is_said { "…".to_owned() } else { marked(words::percent(part, whole)) }
    };
    let known = |nanos| if sum.hides_latency() { "…".to_owned() } else { span(mark, nanos) };
    let latency = |fraction| known(sum.latency.quantile(fraction));
    vec![
        tally::operation(sum.operation, width),
        marked(words::count(sum.requests)),
        size(Some(sum.bytes)),
        size(sum.mean_bytes()),
        latency(0.5),
        latency(0.9),
        latency(0.99),
        known(sum.latency.max()),
        place(sum.sequential, sum.followed),
        place(sum.aligned, sum.ranged),
        marked(words::count(sum.errors)),
    ]
}

fn sentence(said: &Said, mark: &str) -> String {
    format!("{:<LABEL$} {}", said.label, tally::marked(&said.text, mark))
}

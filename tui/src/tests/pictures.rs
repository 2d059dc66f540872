//! Pictures of the screen for README and book, as SVG in light and in dark. `SNAPSHOTS=overwrite cargo test` draws them anew.

use std::fmt::Write as _;

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};
use snapbox::{Data, assert_data_eq, file};

use super::Inspector;

/// Of a cell, in pixels.
const WIDTH: usize = 8;
const HEIGHT: usize = 18;
/// Around the screen, in pixels.
const MARGIN: usize = 8;

/// Colours of a terminal.
struct Theme {
    foreground: &'static str,
    background: &'static str,
    red: &'static str,
    green: &'static str,
    yellow: &'static str,
    cyan: &'static str,
    blue: &'static str,
    magenta: &'static str,
    gray: &'static str,
}

const LIGHT: Theme = Theme {
    foreground: "#24292f",
    background: "#ffffff",
    red: "#cf222e",
    green: "#116329",
    yellow: "#9a6700",
    cyan: "#1b7c83",
    blue: "#0969da",
    magenta: "#8250df",
    gray: "#6e7781",
};

const DARK: Theme = Theme {
    foreground: "#e6edf3",
    background: "#0d1117",
    red: "#ff7b72",
    green: "#3fb950",
    yellow: "#d29922",
    cyan: "#39c5cf",
    blue: "#58a6ff",
    magenta: "#d2a8ff",
    gray: "#8b949e",
};

impl Theme {
    fn color(&self, color: Color, otherwise: &'static str) -> &'static str {
        match color {
            Color::Red => self.red,
            Color::Green => self.green,
            Color::Yellow => self.yellow,
            Color::Cyan => self.cyan,
            Color::Blue => self.blue,
            Color::Magenta => self.magenta,
            Color::DarkGray => self.gray,
            _ => otherwise,
        }
    }
}

/// The screen as a picture.
fn svg(buffer: &Buffer, theme: &Theme) -> String {
    let (columns, rows) = (usize::from(buffer.area.width), usize::from(buffer.area.height));
    let (width, height) = (columns * WIDTH + 2 * MARGIN, rows * HEIGHT + 2 * MARGIN);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace\" font-size=\"13\">\n\
         <rect width=\"{width}\" height=\"{height}\" rx=\"6\" fill=\"{}\"/>\n",
        theme.background
    );
    for (row, cells) in buffer.content.chunks(columns).enumerate() {
        let mut column = 0;
        for run in cells.chunk_by(|one, other| one.style() == other.style()) {
            draw(&mut svg, run, (column, row), theme);
            column += run.len();
        }
    }
    svg.push_str("</svg>\n");
    svg
}

/// Cells of one style.
fn draw(svg: &mut String, run: &[Cell], (column, row): (usize, usize), theme: &Theme) {
    let (x, y) = (MARGIN + column * WIDTH, MARGIN + row * HEIGHT);
    let is_reversed = run[0].modifier.contains(Modifier::REVERSED);
    let mut foreground = theme.color(run[0].fg, theme.foreground);
    if is_reversed {
        let width = run.len() * WIDTH;
        let _ = writeln!(
            svg,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{HEIGHT}\" fill=\"{foreground}\"/>"
        );
        foreground = theme.background;
    }
    let mut style = String::new();
    if run[0].modifier.contains(Modifier::BOLD) {
        style.push_str(" font-weight=\"bold\"");
    }
    if run[0].modifier.contains(Modifier::UNDERLINED) {
        style.push_str(" text-decoration=\"underline\"");
    }
    // Each word stands where it belongs, whatever the widths of the font are.
    for (start, word) in words(run) {
        let (x, length) = (x + start * WIDTH, word.chars().count() * WIDTH);
        let word = word.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let _ = writeln!(
            svg,
            "<text x=\"{x}\" y=\"{}\" fill=\"{foreground}\" textLength=\"{length}\"{style}>{word}</text>",
            y + 13
        );
    }
}

/// Words with the columns where they begin; words with one space between them are one.
fn words(run: &[Cell]) -> Vec<(usize, String)> {
    let mut words: Vec<(usize, String)> = Vec::new();
    let mut spaces = 2;
    for (column, symbol) in run.iter().map(Cell::symbol).enumerate() {
        if symbol == " " {
            spaces += 1;
            continue;
        }
        match words.last_mut().filter(|_| spaces < 2) {
            Some((_, word)) => {
                word.push_str(&" ".repeat(spaces));
                word.push_str(symbol);
            }
            None => words.push((column, symbol.to_owned())),
        }
        spaces = 0;
    }
    words
}

#[track_caller]
fn is_drawn(light: Data, dark: Data, keys: &str) {
    let mut inspector = Inspector::new(100, 26);
    inspector.press(keys);
    assert_data_eq!(svg(inspector.buffer(), &LIGHT), light.raw());
    assert_data_eq!(svg(inspector.buffer(), &DARK), dark.raw());
}

#[test]
fn the_picture_of_the_list_is_what_the_screen_shows() {
    is_drawn(
        file!["../../../book/src/pictures/inspect-light.svg"],
        file!["../../../book/src/pictures/inspect-dark.svg"],
        "f 'fua or lat > 270us' enter e",
    );
}

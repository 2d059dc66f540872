//! The last line: what is being written, what there is to say, how far a search is, or keys that help here.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use tui_input::Input;

use super::{columns, diff, filter, frequencies, hint};
use crate::app::{App, Letter, Over};
use crate::state::writing::Naming;

/// Completions that are shown.
const OFFERED: usize = 12;

/// That a letter must follow, and which are there.
fn awaited(app: &App, letter: Letter) -> Line<'static> {
    let marks = app.marks.all().map(|(letter, point)| format!("{letter} #{}", point.id.0));
    let marks: Vec<String> = marks.collect();
    let marks = if marks.is_empty() { "none yet".to_owned() } else { marks.join("  ") };
    let what = match letter {
        Letter::Sets => "m …  a letter marks this request",
        Letter::Goes => "' …  the letter of the mark to go to",
    };
    Line::raw(format!(" {what}; marks: {marks}"))
}

/// What may follow the keys that were pressed.
fn begun(app: &App) -> Line<'static> {
    let keys: Vec<String> = app.begun.iter().map(ToString::to_string).collect();
    let keys = keys.join(" ");
    let next: Vec<String> =
        app.keymap.following(&keys).map(|(key, name)| format!("{key} {name}")).collect();
    Line::raw(format!(" {keys} …  {}", next.join("  ")))
}

/// A line that is being written, with the cursor in it.
fn written(label: &str, input: &Input, frame: &mut Frame<'_>, area: Rect) -> Line<'static> {
    let cursor = label.len() + input.visual_cursor();
    let cursor = u16::try_from(cursor).unwrap_or(u16::MAX);
    if cursor < area.width {
        frame.set_cursor_position((area.x + cursor, area.y));
    }
    Line::raw(format!("{label}{}", input.value()))
}

/// A line that is being written, and why it was refused; where there is no room for both, that alone until the next key.
fn refused(app: &App, line: Line<'static>, width: usize) -> Line<'static> {
    let Some(error) = app.message.as_ref().filter(|message| message.is_error) else { return line };
    let said = Span::styled(format!("   {}", error.text), Style::new().fg(Color::Red));
    let fits = line.width() + said.width() <= width;
    let mut line = if fits { line } else { Line::default() };
    line.push_span(said);
    line
}

/// The name of a file that is being typed, and what there is to say of it.
fn named(naming: &Naming, frame: &mut Frame<'_>, area: Rect) -> Line<'static> {
    let mut line = written(" write what is shown to: ", &naming.input, frame, area);
    let (said, style) = match &naming.error {
        Some(error) => (error.as_str(), Style::new().fg(Color::Red)),
        None if naming.agrees => ("it is there: enter writes over it", Style::new().fg(Color::Red)),
        None => ("tab: .jsonl .csv .txt .blkr", Style::new()),
    };
    line.push_span(Span::styled(format!("   {said}"), style));
    line
}

/// Draws it.
pub(super) fn draw(app: &App, frame: &mut Frame<'_>, area: Rect) {
    let line = if let Some(Over::Place(prompt)) = &app.over {
        let mut line = written(" : ", &prompt.input, frame, area);
        let completions = app.completions(prompt.text());
        if completions.iter().any(|other| other != prompt.text()) {
            let all: Vec<&str> = completions.iter().take(OFFERED).map(String::as_str).collect();
            line.push_span(Span::raw(format!("   tab: {}", all.join(" "))));
        }
        line
    } else if let Some(Over::Note(id, prompt)) = &app.over {
        let line = written(&format!(" note on {id}: "), &prompt.input, frame, area);
        refused(app, line, usize::from(area.width))
    } else if let Some(Over::Search(prompt)) = &app.over {
        written(" / ", &prompt.input, frame, area)
    } else if let Some(Over::Filter(line)) = &app.over {
        filter::hint(line)
    } else if let Some(Over::File(naming)) = &app.over {
        named(naming, frame, area)
    } else if let Some(letter) = app.letter {
        awaited(app, letter)
    } else if let Some(Over::Rules(_, prompt)) = &app.over {
        written(" why may it differ? ", &prompt.input, frame, area)
    } else if let Some(Over::Bless) = &app.over {
        Line::raw(diff::question(app))
    } else if !app.begun.is_empty() {
        begun(app)
    } else if let Some(message) = &app.message {
        let style = if message.is_error { Style::new().fg(Color::Red) } else { Style::new() };
        Line::styled(format!(" {}", message.text), style)
    } else if let Some((path, percent)) = app.writing.shown(app.requests.len()) {
        Line::raw(format!(" writing {}: {percent} %; esc stops", path.display()))
    } else if app.findings.sought.is_some() {
        Line::raw(" looking for a finding; esc stops")
    } else if let Some(seek) = app.events.sought() {
        Line::raw(format!(" looking for the other end of {}; esc stops", seek.id))
    } else if let Some(text) = app.on_the_way().or_else(|| app.slow_shown()) {
        Line::raw(format!(" {text}; esc stops"))
    } else if let Some((done, all)) = app.progress {
        Line::raw(format!(" searching: {done} of {all} pages; esc stops"))
    } else if matches!(app.over, Some(Over::Detail)) {
        Line::raw(" j k scroll  x data otherwise  F8 F7 next request  . , same range  esc list")
    } else if let Some(percent) = app.sorting.percent(app.requests.len()) {
        Line::raw(format!(" sorting: {percent} %; esc stops"))
    } else if matches!(app.over, Some(Over::Frequencies)) {
        Line::raw(frequencies::HINT)
    } else if matches!(app.over, Some(Over::Columns)) {
        Line::raw(columns::HINT)
    } else {
        Line::raw(hint::line(app, usize::from(area.width)))
    };
    frame.render_widget(Paragraph::new(line), area);
}

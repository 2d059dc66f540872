//! What is said of a screen that nobody sees: what is new on it, or all of it. A state and its picture in, lines out.
//!
//! Invariant: a line that is said stands so on the screen of that size, or is one of `print`.

use std::io::{self, Write};

use ratatui::buffer::Buffer;

use crate::action::View;
use crate::app::{App, COMMANDS, Message, Over};
use crate::keymap::{self, Keymap};
use crate::words;

/// The sign before the line that is looked at.
const FOCUS: &str = ">";

/// What was on the screen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Which trace, how much of it, and which view.
    title: String,
    /// Where one is, and what lies over it.
    what: Option<(View, Option<&'static str>)>,
    /// The line of the list that is looked at.
    focused: Option<String>,
    /// The lines between the first of the screen and the last, without those that are empty.
    body: Vec<String>,
    /// The last line.
    last: String,
    message: Option<Message>,
}

impl Seen {
    /// What is on the screen.
    pub(super) fn of(app: &App, buffer: &Buffer) -> Seen {
        let lines = buffer.content.chunks(usize::from(buffer.area.width));
        let line = |cells: &[ratatui::buffer::Cell]| {
            let text: String = cells.iter().map(ratatui::buffer::Cell::symbol).collect();
            text.trim_end().to_owned()
        };
        let mut body: Vec<String> = lines.map(line).collect();
        let last = body.pop().unwrap_or_default();
        if !body.is_empty() {
            body.remove(0);
        }
        body.retain(|line| !line.is_empty());
        let is_list = app.view == View::Requests && app.log.is_none() && !app.lists_events();
        let focused = app.requests.focused().filter(|_| is_list && app.over.is_none());
        Seen {
            title: title(app),
            what: Some((app.view, over(app))),
            focused: focused.map(words::line),
            body,
            last,
            message: app.message.clone(),
        }
    }

    /// What is on it that was not before.
    pub(super) fn news(&self, before: &Seen, app: &App) -> Vec<String> {
        let mut news: Vec<String> = self.message.iter().map(told).collect();
        if is_asking(app) {
            news.push(format!("{}  (`cancel` drops it)", self.last.trim()));
            return news;
        }
        let is_elsewhere = self.title != before.title;
        if is_elsewhere {
            news.push(self.title.clone());
        }
        if let Some(line) = &self.focused {
            if is_elsewhere || news.is_empty() || before.focused.as_ref() != Some(line) {
                news.push(line.clone());
            }
        } else if self.what != before.what {
            news.extend(self.body.iter().cloned());
        } else {
            let is_new = |line: &&String| !before.body.contains(line);
            let new: Vec<&String> = self.body.iter().filter(is_new).collect();
            let is_focus = |line: &&&String| line.trim_start().starts_with(FOCUS);
            let at = new.iter().find(is_focus).map(|line| vec![*line]);
            news.extend(at.unwrap_or(new).into_iter().cloned());
            if news.is_empty() {
                news.push("nothing changed".to_owned());
            }
        }
        news
    }

    /// What there is to say of it that comes by itself.
    pub(super) fn came(&mut self, app: &App) -> Option<String> {
        let came = app.message.clone().filter(|message| self.message.as_ref() != Some(message))?;
        let text = told(&came);
        self.message = Some(came);
        Some(text)
    }

    /// All of it.
    pub(super) fn all(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.title.as_str()).chain(self.body.iter().map(String::as_str))
    }
}

fn told(message: &Message) -> String {
    let word = if message.is_error { "error: " } else { "" };
    format!("{word}{}", message.text)
}

/// Which trace it is, how much of it is shown, and the view.
fn title(app: &App) -> String {
    let (shown, all) = (words::count(app.requests.shown()), words::count(app.requests.len()));
    let requests = match app.filtering.text() {
        _ if app.log.is_some() => String::new(),
        "" => format!("{all} requests, "),
        filter => format!("{shown} of {all} requests by `{filter}`, "),
    };
    format!("{}: {requests}view {}", app.name, app.view.name())
}

/// The name of what covers the view; what is being written does not.
fn over(app: &App) -> Option<&'static str> {
    match app.over.as_ref()? {
        Over::Help(_) => Some("help"),
        Over::Detail => Some("detail"),
        Over::Columns => Some("columns"),
        Over::Frequencies => Some("frequencies"),
        Over::Place(_)
        | Over::Search(_)
        | Over::Filter(_)
        | Over::File(_)
        | Over::Note(..)
        | Over::Rules(..)
        | Over::Bless => None,
    }
}

/// Whether the next line answers something.
pub(super) fn is_asking(app: &App) -> bool {
    app.letter.is_some() || matches!(app.over, Some(Over::Bless)) || written(app).is_some()
}

/// Whether a single key answers it.
pub(super) fn takes_key(app: &App) -> bool {
    app.letter.is_some() || matches!(app.over, Some(Over::Bless))
}

/// What stands already where an answer goes.
pub(super) fn written(app: &App) -> Option<&str> {
    match app.over.as_ref()? {
        Over::Place(prompt)
        | Over::Search(prompt)
        | Over::Note(_, prompt)
        | Over::Rules(_, prompt) => Some(prompt.text()),
        Over::Filter(line) => Some(line.text()),
        Over::File(naming) => Some(naming.input.value()),
        Over::Help(_) | Over::Detail | Over::Bless | Over::Columns | Over::Frequencies => None,
    }
}

/// Says what commands there are whose name or meaning has this word.
pub(super) fn help(keymap: &Keymap, word: &str, output: &mut impl Write) -> io::Result<()> {
    let word = word.to_lowercase();
    let own = [
        ("(nothing)", "the next line"),
        ("show [LINES]", "all of the view, on so many lines"),
        ("help [WORD]", "commands that have this word"),
        ("PLACE", "go there: 123, 1.5s, 50%, flush, end"),
    ];
    let own = own.map(|(name, does)| (name.to_owned(), does.to_owned()));
    let taking = COMMANDS.iter().filter(|command| !command.takes.is_empty()).map(|command| {
        let does = keymap::named(command.name).map_or("", |binding| binding.help);
        (format!("{} {}", command.name, command.takes), does.to_owned())
    });
    let bound = keymap.lines().iter().map(|bound| {
        let binding = bound.binding;
        (binding.name.to_owned(), binding.help.to_owned())
    });
    let all = own.into_iter().chain(taking).chain(bound);
    let meant = all.filter(|(name, does)| {
        name.to_lowercase().contains(&word) || does.to_lowercase().contains(&word)
    });
    let mut is_any = false;
    for (name, does) in meant {
        is_any = true;
        writeln!(output, "{}", format!("{name:<22} {does}").trim_end())?;
    }
    if !is_any {
        writeln!(output, "error: no command has `{word}` in it")?;
    }
    Ok(())
}

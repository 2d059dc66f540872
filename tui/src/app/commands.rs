//! What is written behind `:`: a place to go to, or a command by its name. A line in, what it does done, or what was not understood.
//!
//! Every key's command is one by its name (`keymap`); `COMMANDS` has those that take something. Invariant: a name that may be two is
//! refused, never guessed.

use super::{App, Effect, Over};
use crate::action::{Action, View};
use crate::keymap::{self, BINDINGS};
use crate::state::prompt::Prompt;
use crate::state::target::{PLACES, WORDS, target};
use crate::state::writing::Naming;

/// A command that takes something.
pub struct Command {
    /// Its name.
    pub name: &'static str,
    /// What it takes; empty for nothing.
    pub takes: &'static str,
    /// What it does with that.
    does: fn(&mut App, &str) -> Option<Effect>,
    /// What may be given to it.
    offers: fn(&App) -> Vec<String>,
}

/// Those that take something, and short names.
pub const COMMANDS: &[Command] = &[
    Command { name: "filter", takes: "EXPR", does: filter, offers: nothing },
    Command { name: "search", takes: "TEXT", does: search, offers: nothing },
    Command { name: "view", takes: "NAME", does: view, offers: views },
    Command { name: "write", takes: "FILE", does: write, offers: nothing },
    Command { name: "q", takes: "", does: quit, offers: nothing },
];

fn nothing(_: &App) -> Vec<String> {
    Vec::new()
}

fn views(_: &App) -> Vec<String> {
    View::ALL.iter().map(|(_, _, name)| name.to_lowercase()).collect()
}

fn quit(app: &mut App, _: &str) -> Option<Effect> {
    app.update(Action::Quit)
}

fn filter(app: &mut App, text: &str) -> Option<Effect> {
    if text.is_empty() {
        return app.update(Action::AskFilter);
    }
    app.filter(text);
    None
}

fn search(app: &mut App, text: &str) -> Option<Effect> {
    if text.is_empty() {
        return app.update(Action::AskSearch);
    }
    app.search_for(text);
    None
}

fn write(app: &mut App, text: &str) -> Option<Effect> {
    app.ask_file();
    if !text.is_empty()
        && let Some(Over::File(_)) = app.over.take()
    {
        app.write(Naming::of(text));
    }
    None
}

fn view(app: &mut App, text: &str) -> Option<Effect> {
    let is_it = |name: &str| name.to_lowercase() == text.to_lowercase();
    match View::ALL.iter().find(|(_, key, name)| is_it(name) || key.to_string() == text) {
        Some((view, ..)) => return app.update(Action::Show(*view)),
        None => app.refuse(format!("`{text}` is no view; {} are", views(app).join(", "))),
    }
    None
}

/// What a name means.
enum Named {
    Command(&'static Command),
    Action(Action),
}

/// The names of all commands.
fn names() -> impl Iterator<Item = &'static str> {
    let taking = COMMANDS.iter().map(|command| command.name);
    taking.chain(BINDINGS.iter().map(|binding| binding.name))
}

fn named(name: &str) -> Option<Named> {
    let command = COMMANDS.iter().find(|command| command.name == name).map(Named::Command);
    command.or_else(|| keymap::named(name).map(|binding| Named::Action(binding.action)))
}

impl App {
    /// Begins to write where to go, or what to do.
    pub(super) fn ask_place(&mut self) {
        self.going.wants_names = true;
        self.over = Some(Over::Place(Prompt::default()));
    }

    /// Does what was written behind `:`.
    pub fn run(&mut self, text: &str) -> Option<Effect> {
        if text.is_empty() {
            return None;
        }
        self.asked.remember(text);
        match target(text) {
            Ok(Some(target)) => self.go_to(target),
            Ok(None) => return self.command(text),
            Err(error) => self.refuse(error),
        }
        None
    }

    fn command(&mut self, text: &str) -> Option<Effect> {
        let (name, rest) = text.split_once(' ').unwrap_or((text, ""));
        let rest = rest.trim();
        let candidates = candidates(names(), name);
        let found = match &candidates[..] {
            _ if named(name).is_some() => Some(name),
            [only] => Some(only.as_str()),
            [] => {
                self.refuse(format!("`{name}` is no place and no command; places: {PLACES}"));
                None
            }
            several => {
                let several = several.iter().take(8).cloned().collect::<Vec<_>>().join(", ");
                self.refuse(format!("`{name}` may be {several}"));
                None
            }
        };
        match named(found?)? {
            Named::Command(command) if command.takes.is_empty() && !rest.is_empty() => {
                self.refuse(format!("`{}` takes nothing", command.name));
                None
            }
            Named::Command(command) => (command.does)(self, rest),
            Named::Action(_) if !rest.is_empty() => {
                self.refuse(format!("`{}` takes nothing", found?));
                None
            }
            Named::Action(action) => self.update(action),
        }
    }

    /// Lines that what is written behind `:` may become.
    pub fn completions(&self, text: &str) -> Vec<String> {
        let words = WORDS.iter().map(|(word, _)| *word);
        let Some((word, rest)) = text.split_once(' ') else {
            return candidates(words.chain(names()), text);
        };
        let offers = match COMMANDS.iter().find(|command| command.name == word) {
            Some(command) => (command.offers)(self),
            None if word == "mark" => {
                let letters = self.marks.all().map(|(letter, _)| letter.to_string());
                letters.chain(self.going.names.clone().unwrap_or_default()).collect()
            }
            None => Vec::new(),
        };
        let offers = candidates(offers.iter().map(String::as_str), rest.trim_start());
        offers.into_iter().map(|offer| format!("{word} {offer}")).collect()
    }

    /// Writes on as far as all completions agree; where they do not begin so, the first of them.
    pub(super) fn complete_place(&mut self) {
        let Some(Over::Place(prompt)) = &self.over else { return };
        let text = prompt.text().to_owned();
        let all = self.completions(&text);
        let Some(first) = all.first() else { return };
        let agreed = all.iter().fold(first.clone(), |agreed, other| {
            let same = agreed.chars().zip(other.chars()).take_while(|(one, two)| one == two);
            same.map(|(one, _)| one).collect()
        });
        let text = if agreed.len() > text.len() && agreed.starts_with(&text) {
            agreed
        } else {
            first.clone()
        };
        self.over = Some(Over::Place(Prompt::with(text)));
    }
}

/// Names that go on what is written; if none does, those that have its letters in their order.
fn candidates<'n>(names: impl Iterator<Item = &'n str>, written: &str) -> Vec<String> {
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    names.dedup();
    let mut meant: Vec<&str> =
        names.iter().filter(|name| name.starts_with(written)).copied().collect();
    if meant.is_empty() {
        meant = names.into_iter().filter(|name| has_letters(name, written)).collect();
    }
    meant.into_iter().map(str::to_owned).collect()
}

fn has_letters(name: &str, letters: &str) -> bool {
    let mut rest = name.chars();
    letters.chars().all(|letter| rest.any(|other| other == letter))
}

//! The filter line: what is being written, what is in force, and what it found so far.
//!
//! Keys and places of requests in, a filter out. Invariants: what is in force could be understood; the history holds no text
//! twice, the newest last.

use std::sync::Arc;
use std::time::Duration;

use blkreplay_core::format::Header;
use blkreplay_core::query::{FIELDS, FUNCTIONS, Filter, QueryError};
use blkreplay_core::request::Operation;
use roaring::RoaringTreemap;
use tui_input::InputRequest;

use super::prompt::{History, Prompt};
use super::times::Times;
use crate::sieve::Sifted;

/// The filter line.
#[derive(Debug, Default)]
pub struct Line {
    /// What is written.
    pub prompt: Prompt,
    /// Why it is no filter.
    pub error: Option<QueryError>,
    /// Names of times that it may have.
    times: Times,
    saved: Arc<[Saved]>,
}

/// A filter with a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    /// Its name.
    pub name: String,
    /// What it means.
    pub text: String,
}

/// Who looks for what a filter means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Stage {
    /// Nobody yet.
    #[default]
    Waits,
    /// Somebody does, or did.
    Begun,
    /// Somebody looks at what is new of a trace that grows.
    GoesOn,
}

/// A filter that is in force.
#[derive(Debug)]
pub struct Applied {
    /// Tells it from others.
    pub number: u64,
    /// As it was written.
    pub text: String,
    /// What it means.
    pub filter: Filter,
    /// The places that it found.
    pub found: Arc<RoaringTreemap>,
    /// Requests that were looked at.
    pub done: u64,
    /// They are added up first, for what the filter asks of all.
    pub is_first_pass: bool,
    /// All were looked at.
    pub is_done: bool,
    /// Why it went no further.
    pub error: Option<String>,
    /// Requests that were there when it began, or went on when the trace had grown, and the first that might change.
    pub of: (u64, u64),
    /// Who looks for it.
    pub stage: Stage,
    /// How long that took the last time.
    pub took: Duration,
}

impl Applied {
    /// Takes how far it is.
    pub fn take(&mut self, sifted: &Sifted) {
        if self.stage == Stage::GoesOn {
            if sifted.is_done {
                self.stage = Stage::Begun;
            }
        } else {
            self.is_done = sifted.is_done;
            self.is_first_pass = sifted.is_first_pass;
        }
        self.done = sifted.done;
        self.took = sifted.took;
    }

    /// Whether all of so many requests were looked at.
    pub fn is_of(&self, requests: u64) -> bool {
        self.is_done && self.stage != Stage::GoesOn && self.error.is_none() && self.of.0 >= requests
    }
}

/// What was applied so far, and what is.
#[derive(Debug, Default)]
pub struct Filtering {
    /// What is in force.
    pub applied: Option<Applied>,
    /// One that is off for a while.
    pub off: Option<String>,
    history: History,
    number: u64,
    saved: Arc<[Saved]>,
}

impl Filtering {
    /// Puts a filter in force.
    pub fn apply(&mut self, text: &str, filter: Filter) {
        self.history.remember(text);
        self.off = None;
        self.number += 1;
        self.applied = Some(Applied {
            number: self.number,
            text: text.to_owned(),
            filter,
            found: Arc::default(),
            done: 0,
            is_first_pass: false,
            is_done: false,
            error: None,
            of: (0, 0),
            stage: Stage::default(),
            took: Duration::ZERO,
        });
    }

    /// Takes filters with names, which are the oldest of the history.
    pub fn save(&mut self, saved: Vec<Saved>) {
        for one in saved.iter().rev() {
            self.history.remember(&one.text);
        }
        self.saved = saved.into();
    }

    /// What a text means: the filter of this name, or itself.
    pub fn meant<'a>(&'a self, text: &'a str) -> &'a str {
        self.saved.iter().find(|saved| saved.name == text).map_or(text, |saved| &saved.text)
    }

    /// Puts none in force.
    pub fn clear(&mut self) {
        (self.applied, self.off) = (None, None);
    }

    /// Goes no further; whether there was more to look at.
    pub fn stop(&mut self) -> bool {
        let Some(applied) = self.applied.as_mut().filter(|applied| !applied.is_done) else {
            return false;
        };
        self.number += 1;
        applied.number = self.number;
        applied.is_done = true;
        applied.error = Some("it was cancelled".to_owned());
        true
    }

    /// The number of what is in force; 0 without one.
    pub fn number(&self) -> u64 {
        self.applied.as_ref().map_or(0, |applied| applied.number)
    }

    /// The text in force; empty without one.
    pub fn text(&self) -> &str {
        self.applied.as_ref().map_or("", |applied| &applied.text)
    }

    /// The text in force without its last term; `None` if there is no filter.
    pub fn without_last(&self) -> Option<String> {
        let applied = self.applied.as_ref()?;
        let terms: Vec<&str> = applied.filter.terms().collect();
        Some(terms[..terms.len().saturating_sub(1)].join(" && "))
    }

    /// The text in force, and a term beside it.
    pub fn with(&self, term: &str) -> String {
        match &self.applied {
            None => term.to_owned(),
            Some(applied) if applied.filter.terms().any(|other| other == term) => {
                applied.text.clone()
            }
            // A single term may be an `or`, which binds less.
            Some(applied) if applied.filter.terms().len() == 1 && !is_simple(&applied.text) => {
                format!("({}) && {term}", applied.text)
            }
            Some(applied) => format!("{} && {term}", applied.text),
        }
    }

    /// The line, to write on at what is in force.
    pub fn line(&self, header: &Header, times: Times) -> Line {
        let mut line = Line {
            prompt: Prompt::with(self.text().to_owned()),
            times,
            saved: Arc::clone(&self.saved),
            ..Line::default()
        };
        line.look(header);
        line
    }
}

/// Whether a term holds together whatever stands beside it.
fn is_simple(text: &str) -> bool {
    !text.split(|c: char| c.is_whitespace() || c == '(').any(|word| word == "or" || word == "||")
        && !text.contains("||")
}

impl Line {
    /// What is written.
    pub fn text(&self) -> &str {
        self.prompt.text()
    }

    /// Changes what is written.
    pub fn edit(&mut self, request: InputRequest, header: &Header) {
        self.prompt.edit(request);
        self.look(header);
    }

    /// Shows an older text of the history, or a newer one.
    pub fn recall(&mut self, older: bool, filtering: &Filtering, header: &Header) {
        self.prompt.recall(older, &filtering.history);
        self.look(header);
    }

    /// Names that go on what stands before the cursor, in alphabetical order.
    pub fn completions(&self) -> Vec<&str> {
        let begun = self.begun();
        let is_all = begun == self.text().trim();
        let saved = self.saved.iter().map(|saved| saved.name.as_str()).filter(|_| is_all);
        if begun.is_empty() {
            return saved.collect();
        }
        let functions = FUNCTIONS.iter().map(|function| function.name);
        let operations = Operation::NAMES.iter().map(|(_, name)| *name);
        let times = self.times.names.iter().map(|(name, _)| name.as_str());
        let names = FIELDS.iter().map(|field| field.name).chain(functions).chain(operations);
        let mut names: Vec<_> = names.chain(times).chain(saved).collect();
        names.retain(|name| name.starts_with(&begun) && **name != *begun);
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Writes on as far as all completions agree.
    pub fn complete(&mut self, header: &Header) {
        let begun = self.begun();
        let names = self.completions();
        let Some((first, others)) = names.split_first() else {
            // A name that is written to its end is what it means.
            if let Some(text) = self.named().map(|saved| saved.text.clone()) {
                self.prompt = Prompt::with(text);
                self.look(header);
            }
            return;
        };
        let agreed = others.iter().fold(first.len(), |agreed, other| {
            first.bytes().zip(other.bytes()).take(agreed).take_while(|(a, b)| a == b).count()
        });
        let more = first[begun.len().min(agreed)..agreed].to_owned();
        self.prompt.write(&more);
        self.look(header);
    }

    /// The name that ends at the cursor.
    fn begun(&self) -> String {
        let before: Vec<char> = self.text().chars().take(self.prompt.input.cursor()).collect();
        let is_name = |c: &&char| c.is_alphanumeric() || "_.@'".contains(**c);
        let mut name: Vec<char> = before.iter().rev().take_while(is_name).copied().collect();
        name.reverse();
        name.into_iter().collect()
    }

    /// The filter whose name is all that is written.
    fn named(&self) -> Option<&Saved> {
        self.saved.iter().find(|saved| saved.name == self.text().trim())
    }

    /// Looks whether it is a filter, or the name of one.
    fn look(&mut self, header: &Header) {
        let text = self.named().map_or_else(|| self.text().trim(), |saved| &saved.text);
        self.error = if text.is_empty() {
            None
        } else {
            self.times.settled(text).and_then(|text| Filter::of(&text, header)).err()
        };
    }
}

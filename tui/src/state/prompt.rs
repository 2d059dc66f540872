//! A line that is being written, and what was written in such lines before.
//!
//! Keys in, a text out. Invariant: the history holds no text twice, the newest last, and no more than `HISTORY`.

use tui_input::{Input, InputRequest};

/// Texts that are remembered.
const HISTORY: usize = 100;

/// What was written before.
#[derive(Debug, Default)]
pub struct History {
    texts: Vec<String>,
}

impl History {
    /// Remembers a text as the newest.
    pub fn remember(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        self.texts.retain(|old| old != text);
        self.texts.push(text.to_owned());
        let forgotten = self.texts.len().saturating_sub(HISTORY);
        self.texts.drain(..forgotten);
    }
}

/// The line.
#[derive(Debug, Default)]
pub struct Prompt {
    /// What is written.
    pub input: Input,
    /// Which of the history is shown, from the newest, which is 0.
    recalled: Option<usize>,
    /// What was written before the history was looked at.
    draft: String,
}

impl Prompt {
    /// A line with this in it.
    pub fn with(text: String) -> Prompt {
        Prompt { input: Input::new(text), ..Prompt::default() }
    }

    /// What is written.
    pub fn text(&self) -> &str {
        self.input.value()
    }

    /// Changes what is written.
    pub fn edit(&mut self, request: InputRequest) {
        self.input.handle(request);
        self.recalled = None;
    }

    /// Writes on at the cursor.
    pub fn write(&mut self, text: &str) {
        for character in text.chars() {
            self.edit(InputRequest::InsertChar(character));
        }
    }

    /// Shows an older text, or a newer one.
    pub fn recall(&mut self, older: bool, history: &History) {
        let texts = &history.texts;
        let next = match (self.recalled, older) {
            (None, true) => Some(0),
            (Some(at), true) => Some((at + 1).min(texts.len().saturating_sub(1))),
            (None | Some(0), false) => None,
            (Some(at), false) => Some(at - 1),
        };
        if self.recalled.is_none() {
            self.draft = self.text().to_owned();
        }
        let text = match next {
            Some(at) => texts.iter().rev().nth(at).unwrap_or(&self.draft).clone(),
            None => self.draft.clone(),
        };
        self.recalled = next.filter(|_| !texts.is_empty());
        self.input = Input::new(text);
    }
}

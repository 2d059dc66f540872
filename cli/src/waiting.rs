//! What waits for what, in words: for whoever asks a process that seems to hang. Facts come in, lines go out.
//!
//! Invariant: whatever waits is named, or counted among those that are.

use blkreplay_core::engine::{Asked, Waiting};

use crate::words::words_of;

/// A line for each kind of waiting.
pub(crate) fn lines(waiting: Option<&Waiting>) -> Vec<String> {
    let Some(waiting) = waiting else {
        return vec!["nothing is replayed".to_owned()];
    };
    let mut lines =
        vec![format!("in step {}, nothing has happened for {}", waiting.step, waiting.since)];
    let mut list = |what: &str, asked: &[Asked]| {
        if !asked.is_empty() {
            let named: Vec<String> = asked.iter().map(name).collect();
            lines.push(format!("{what}: {}", named.join(", ")));
        }
    };
    list("requests that have not come", &waiting.missing);
    list("requests that came early", &waiting.kept);
    list("requests with an image", &waiting.away);
    list("completions that wait for their turn", &waiting.done);
    lines
}

fn name(asked: &Asked) -> String {
    let id = asked.id.map_or_else(String::new, |id| format!("{id} "));
    format!("{id}{}", words_of(&asked.request))
}

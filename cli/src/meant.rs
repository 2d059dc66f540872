//! `print --events --filter`: the events of the requests that a filter means. Events come in, those that are told go out.
//!
//! A request is known when it is complete, so its issue waits for that, and all behind it. Invariants: events keep their order; no
//! more of them wait than rows do in a `Joiner`, and their completions; what belongs to no request is left out.

use std::collections::{HashMap, VecDeque};

use blkreplay_core::event::{Event, EventKind};
use blkreplay_core::request::RequestId;
use blkreplay_core::rows::Joiner;

use crate::chosen::Chosen;

/// What is known of a request.
#[derive(Debug, Clone, Copy)]
enum Verdict {
    /// Nothing yet.
    Waits,
    /// Whether it is meant, and whether its completion is among the events.
    Known { is_meant: bool, is_complete: bool },
}

/// Picks events.
#[derive(Debug)]
pub(crate) struct Meant<'a> {
    chosen: &'a Chosen,
    joiner: Joiner,
    /// Events of requests, in their order.
    held: VecDeque<(u64, Event)>,
    verdicts: HashMap<RequestId, Verdict>,
}

/// The request that an event belongs to, and whether it ends it.
fn request(event: &Event) -> Option<(RequestId, bool)> {
    match &event.kind {
        EventKind::Issue(issue) => Some((issue.id, false)),
        EventKind::Block(block) => Some((block.id, true)),
        _ => None,
    }
}

impl<'a> Meant<'a> {
    /// By what `chosen` means. Events must come from the beginning of the trace on.
    pub(crate) fn by(chosen: &'a Chosen) -> Meant<'a> {
        let (held, verdicts) = (VecDeque::new(), HashMap::new());
        Meant { chosen, joiner: chosen.joiner(), held, verdicts }
    }

    pub(crate) fn push(&mut self, index: u64, event: Event) {
        match request(&event) {
            Some((id, false)) => {
                self.verdicts.insert(id, Verdict::Waits);
                self.held.push_back((index, event.clone()));
            }
            // The completion of what was never issued, or too long ago, is nobody's.
            Some((id, true)) if self.verdicts.contains_key(&id) => {
                self.held.push_back((index, event.clone()));
            }
            _ => {}
        }
        self.joiner.push(index, event);
        self.judge();
    }

    pub(crate) fn finish(&mut self) {
        self.joiner.finish();
        self.judge();
    }

    fn judge(&mut self) {
        while let Some(row) = self.joiner.pop() {
            let is_meant = self.chosen.takes(&row);
            if let Some(verdict) = self.verdicts.get_mut(&row.id) {
                *verdict = Verdict::Known { is_meant, is_complete: row.completion.is_some() };
            }
        }
    }

    /// The next that is told, as far as that is known.
    pub(crate) fn pop(&mut self) -> Option<(u64, Event)> {
        loop {
            let (id, ends) = request(&self.held.front()?.1)?;
            let is_meant = match self.verdicts.get(&id) {
                Some(Verdict::Waits) => return None,
                Some(Verdict::Known { is_meant, is_complete }) => {
                    let is_meant = *is_meant;
                    if ends || !is_complete {
                        self.verdicts.remove(&id);
                    }
                    is_meant
                }
                None => false,
            };
            let event = self.held.pop_front()?;
            if is_meant {
                return Some(event);
            }
        }
    }
}

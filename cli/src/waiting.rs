//! What waits for what, in words: for whoever asks a process that seems to hang. Facts come in, lines go out.
//!
//! Invariant: whatever waits is named, or counted among those that are.

use blkreplay_core::engine::{Asked, Waiting};
use blkreplay_core::units::Size;

use crate::words::{Count, words_of};

/// How many of a kind are named.
const NAMED_MAX: usize = 8;

/// A line for each kind of waiting.
pub(crate) fn lines(waiting: &Waiting) -> Vec<String> {
    let lists = [
        ("requests that have not come", &waiting.missing),
        ("requests that came early", &waiting.early),
        ("requests that wait for others that they conflict with", &waiting.held),
        ("requests with an image", &waiting.away),
        ("completions that wait for their turn", &waiting.done),
    ];
    let mut lines = Vec::new();
    if !waiting.missing.is_empty() || !waiting.early.is_empty() {
        lines.push(format!(
            "in step {} nothing has happened for {}",
            Count(waiting.step),
            waiting.since
        ));
    }
    lines.extend(lists.into_iter().filter_map(|(what, asked)| list(what, asked)));
    if waiting.log_bytes > 0 {
        lines.push(format!("{} for the trace's disk", Size(waiting.log_bytes)));
    }
    if lines.is_empty() {
        lines.push("nothing: a client may ask something".to_owned());
    }
    lines
}

fn list(what: &str, asked: &[Asked]) -> Option<String> {
    (!asked.is_empty()).then(|| format!("{what}: {}", named(asked)))
}

/// The first of them by name, and how many more there are.
pub(crate) fn named(asked: &[Asked]) -> String {
    let named: Vec<String> = asked.iter().take(NAMED_MAX).map(name).collect();
    let more = asked.len().saturating_sub(NAMED_MAX) as u64;
    let more = if more > 0 { format!(" and {} more", Count(more)) } else { String::new() };
    format!("{}{more}", named.join(", "))
}

fn name(asked: &Asked) -> String {
    let id = asked.id.map_or_else(String::new, |id| format!("{id} "));
    format!("{id}{}", words_of(&asked.request))
}

#[cfg(test)]
mod tests {
    use blkreplay_core::event::Payload;
    use blkreplay_core::request::{ConnectionId, DeviceId, Flags, Operation, Request, RequestId};
    use blkreplay_core::units::{ByteRange, Nanos};

    use super::*;

    #[test]
    fn what_waits_is_named_and_the_rest_is_counted() {
        let asked = |id| Asked {
            id: Some(RequestId(id)),
            device: DeviceId(0),
            connection: ConnectionId(0),
            request: Request {
                operation: Operation::Read,
                range: ByteRange::new(id * 512, 512),
                flags: Flags::NONE,
            },
            payload: Payload::Absent,
            result: None,
        };
        let waiting = Waiting {
            step: 1234,
            since: Nanos(2_000_000_000),
            missing: vec![asked(3)],
            away: (10..20).map(asked).collect(),
            ..Waiting::default()
        };
        let lines = lines(&waiting);
        assert_eq!(lines[0], "in step 1,234 nothing has happened for 2.00s");
        assert_eq!(lines[1], "requests that have not come: #3 read 1536+512");
        assert!(
            lines[2].starts_with("requests with an image: #10 read 5120+512, #11"),
            "{lines:?}"
        );
        assert!(lines[2].ends_with(" and 2 more"), "{lines:?}");
    }

    #[test]
    fn an_engine_that_waits_for_nothing_says_so() {
        assert_eq!(lines(&Waiting::default()), ["nothing: a client may ask something"]);
    }
}

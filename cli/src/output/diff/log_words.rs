//! A difference of two logs of QEMU in words. A difference comes in, words go out.

use blkreplay_core::diff::{EventDifference, Kind, Shown as ShownEvent};
use blkreplay_core::qemu::Layout;
use blkreplay_core::words;

use super::LogsTold;
use super::around::rows;
use super::words::{Words, sign};

/// What one difference is; of the first, also what lies around it.
pub(super) fn of(one: &EventDifference, is_first: bool, logs: &LogsTold) -> Words {
    let EventDifference { kind, base, new } = one;
    let [base_layout, new_layout] = logs.layouts;
    let base = base.as_ref().map(|event| (event, base_layout));
    let new = new.as_ref().map(|event| (event, new_layout));
    let request = base.or(new).map_or_else(String::new, |(event, layout)| name(event, layout));
    let index = |side: Option<(&ShownEvent, _)>| {
        side.map_or_else(|| "·".to_owned(), |(event, _)| format!("event:{}", event.index))
    };
    let changes = match (base, new) {
        (Some(_), Some((event, layout))) if *kind == Kind::Changed => {
            vec![format!("→ {}", name(event, layout))]
        }
        _ => Vec::new(),
    };
    let details = if is_first { around(one, logs) } else { Vec::new() };
    let ids = format!("{} | {}", index(base), index(new));
    Words { sign: sign(*kind), request, ids, changes, details }
}

/// Events before and behind the first difference, base and new side by side.
fn around(first: &EventDifference, logs: &LogsTold) -> Vec<String> {
    let [base, new] = logs.layouts;
    let cell = |sign: char, event: &ShownEvent, layout| {
        format!("{sign} {} {}", event.index, name(event, layout))
    };
    let mut lines = Vec::new();
    let instructions = |event: &Option<ShownEvent>| {
        event.as_ref().map_or_else(|| "·".to_owned(), |event| event.icount.to_string())
    };
    let (one, other) = (instructions(&first.base), instructions(&first.new));
    lines.push(format!("instructions executed: {one} | {other}"));
    let both =
        |(one, other): &(ShownEvent, ShownEvent)| (cell(' ', one, base), cell(' ', other, new));
    let sign = sign(first.kind);
    let own = |event: &Option<ShownEvent>, layout| {
        event.as_ref().map_or_else(|| "·".to_owned(), |event| cell(sign, event, layout))
    };
    let own = (own(&first.base, base), own(&first.new, new));
    let before = logs.report.before.iter().map(both);
    let after = logs.report.after.iter().map(both);
    lines.extend(rows(before.chain([own]).chain(after)));
    lines
}

/// `bh id 3`.
pub(super) fn name(event: &ShownEvent, layout: &Layout) -> String {
    let kind = &event.folded.event;
    format!("{} {}", kind.name(), words::log_words(kind, layout)).trim_end().to_owned()
}

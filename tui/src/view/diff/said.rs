//! What is said of a comparison in words. State in, lines out.
//!
//! Invariant: a number that is not the last word has `~` before it.

use blkreplay_core::diff::{Compared, Difference, Fact, Kind};
use blkreplay_core::event::Payload;
use blkreplay_core::request::DeviceId;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line as Text;

use super::side::{payload, result};
use crate::app::App;
use crate::state::diff::{Diff, Line, Stage};
use crate::view::line::rule;
use crate::words::{self, cut};

/// The mark of a kind.
pub(super) fn mark(kind: Kind) -> char {
    match kind {
        Kind::Changed => '~',
        Kind::Added => '+',
        Kind::Removed => '-',
        Kind::Moved => '⇅',
    }
}

/// `1 request`, `2 requests`.
fn counted(count: u64, noun: &str) -> String {
    format!("{} {noun}{}", words::count(count), if count == 1 { "" } else { "s" })
}

/// What was found, in a line.
pub(super) fn summary(app: &App, diff: &Diff, width: usize) -> Text<'static> {
    let counts = &diff.found.counts;
    let about = if diff.stage == Stage::Done { "" } else { "~" };
    let mut parts = vec![format!(" {about}{}", counted(counts.differences(), "difference"))];
    if width >= 60 {
        let kinds = Kind::NAMES
            .into_iter()
            .map(|(kind, name)| format!("{about}{} {name}", words::count(counts.of(kind))));
        parts[0] = format!("{}: {}", parts[0], kinds.collect::<Vec<_>>().join(", "));
    }
    if app.filtering.applied.is_some() && diff.stage != Stage::Opens {
        let listed = diff.lines().iter().filter(|line| matches!(line, Line::Difference(_)));
        let listed = words::count(listed.count() as u64);
        parts[0] = format!("{}, {listed} listed", parts[0]);
    }
    parts.push(format!("{about}{} same", words::count(counts.same)));
    match diff.stage {
        Stage::Opens => parts.push("being opened; esc stops".to_owned()),
        Stage::Compares => {
            let all = diff.terms.requests[0].unwrap_or(0);
            let percent = words::progress(diff.found.seen, all);
            parts.push(format!("compared {percent} %; esc stops"));
        }
        Stage::Stopped => parts.push("stopped; 8 compares anew".to_owned()),
        Stage::Waits | Stage::Done | Stage::Failed => {}
    }
    if diff.changes {
        parts.push("a file is being changed".to_owned());
    }
    let rule = &diff.terms.rule;
    match width {
        180.. => parts.push(rule.clone()),
        // How they are aligned, without what is compared.
        100.. => parts.extend(rule.split(';').next().map(str::to_owned)),
        _ => {}
    }
    Text::styled(parts.join("  "), Style::new().add_modifier(Modifier::BOLD))
}

/// That not all pairs were looked for.
pub(super) fn gave_up(window: usize) -> String {
    blkreplay_core::words::gave_up(&counted(window as u64, "request"))
}

/// Why there are no lines.
pub(super) fn nothing(app: &App, diff: &Diff, width: usize) -> Vec<String> {
    let wrapped = |text: &str| words::wrapped(text, width);
    match diff.stage {
        Stage::Failed => {
            let trouble = diff.trouble.clone().unwrap_or_default();
            let hints = trouble.hints.iter().flat_map(|hint| wrapped(&format!("hint: {hint}")));
            wrapped(&format!("cannot compare: {}", trouble.message))
                .into_iter()
                .chain(hints)
                .collect()
        }
        Stage::Waits | Stage::Opens => {
            wrapped("both traces are opened, and rules are looked up in them")
        }
        Stage::Compares => wrapped("no request was compared yet"),
        Stage::Stopped => wrapped("nothing was compared before it was stopped; 8 compares anew"),
        Stage::Done if app.filtering.applied.as_ref().is_some_and(|applied| !applied.is_done) => {
            wrapped("the filter goes first")
        }
        Stage::Done if app.filtering.applied.is_some() && !diff.found.sections.is_empty() => {
            wrapped("the filter leaves out all; backspace drops its last term")
        }
        Stage::Done => wrapped("there is no request on either side: nothing was compared"),
    }
}

/// That both are the same.
fn same(diff: &Diff) -> String {
    let counts = &diff.found.counts;
    let mut parts = vec![format!("both are the same: {}", counted(counts.same, "request"))];
    if let Some(epochs) = diff.found.epochs[0] {
        parts.push(format!("in {}", counted(epochs, "epoch")));
    }
    if counts.masked > 0 {
        parts.push(format!("({} with masked bytes)", words::count(counts.masked)));
    }
    parts.join(" ")
}

/// A stretch that is the same.
pub(super) fn fold(diff: &Diff, section: usize) -> String {
    let Some(places) = diff.found.sections.get(section) else { return String::new() };
    let open = diff.unfolded(section);
    let had = open.map_or(0, |open| open.rows.len() as u64);
    let left = places.same.saturating_sub(had);
    let more = if had > 0 { "more " } else { "" };
    let noun = if left == 1 { "request" } else { "requests" };
    let mut text = match left {
        0 => "more requests".to_owned(),
        left => format!("{} {more}same {noun}", words::count(left)),
    };
    let device = device(diff, places.first.device);
    let place = match (places.first.base_epoch, places.last.base_epoch) {
        (Some(first), Some(last)) if first == last => format!(" in {device}epoch {first}"),
        (Some(first), Some(last)) => format!(" in {device}epochs {first}-{last}"),
        _ if device.is_empty() => String::new(),
        _ => format!(" of {}", device.trim_end()),
    };
    text.push_str(&place);
    if open.is_some_and(|open| open.reads) {
        format!("{text}, being read")
    } else {
        format!("{text}, Enter to open")
    }
}

/// The name of a device before what is about it, if there are several.
pub(super) fn device(diff: &Diff, device: Option<DeviceId>) -> String {
    let names = &diff.terms.devices;
    let name = device.and_then(|device| names.get(usize::from(device.0)));
    name.filter(|_| names.len() > 1).map_or_else(String::new, |name| format!("{name} "))
}

/// What is only counted.
pub(super) fn rest(diff: &Diff) -> String {
    let rest = &diff.found.rest;
    let listed = words::count(diff.found.differences.len() as u64);
    format!(
        "and {} more, and {} same, that are only counted: the first {listed} are listed",
        counted(rest.differences(), "difference"),
        words::count(rest.same)
    )
}

/// What is looked at.
pub(super) fn about(diff: &Diff, line: Line, width: usize) -> Vec<Text<'static>> {
    let text = match line {
        Line::Difference(number) => match diff.found.differences.get(number) {
            Some(difference) => difference_in_words(diff, difference),
            None => String::new(),
        },
        Line::Row(..) => match diff.requests(line) {
            ([base], [new]) => format!("{} | {}  the same  {}", base.id, new.id, asked(diff, base)),
            ([base], _) => {
                format!(
                    "{}  {}: the one that is the same lies further off",
                    base.id,
                    asked(diff, base)
                )
            }
            _ => String::new(),
        },
        Line::Fold(_) | Line::Epoch(_)
            if diff.stage == Stage::Done && diff.found.counts.differences() == 0 =>
        {
            same(diff)
        }
        Line::Fold(_) => "enter or l opens what is the same, h closes it".to_owned(),
        Line::Epoch(_) => "enter opens all of the epoch, and closes it again".to_owned(),
        Line::Rest => rest(diff),
    };
    let lines = words::wrapped(&text, width.saturating_sub(2));
    lines.into_iter().map(|line| Text::raw(format!(" {line}"))).collect()
}

/// `write 4096+512 fua`.
pub(super) fn asked(diff: &Diff, one: &Compared) -> String {
    let request = &one.request;
    let mut words = vec![request.operation.to_string()];
    if words::has_range(request) {
        words.push(request.range.to_string());
    }
    words.extend(request.flags.names().map(str::to_owned));
    format!("{}{}", device(diff, Some(one.device)), words.join(" "))
}

/// `~ #2034 | #2036  write 0+4096 fua  payload 71aa… → e01b…`.
fn difference_in_words(diff: &Diff, difference: &Difference) -> String {
    let Difference { kind, base, new, .. } = difference;
    let ids = |side: &[Compared]| match side {
        [] => "·".to_owned(),
        [one] => one.id.to_string(),
        [one, others @ ..] => format!("{} and {} more", one.id, others.len()),
    };
    let asked = base.first().or(new.first()).map(|one| asked(diff, one)).unwrap_or_default();
    let mut parts = vec![
        format!("{} {} | {}", mark(*kind), ids(base), ids(new)),
        kind.name().to_owned(),
        asked,
    ];
    parts.extend(changes(difference));
    parts.join("  ")
}

/// What differs, fact by fact.
fn changes(difference: &Difference) -> Vec<String> {
    let ([base], [new]) = (difference.base.as_slice(), difference.new.as_slice()) else {
        return match (difference.base.len(), difference.new.len()) {
            (0, _) => vec!["only new has it".to_owned()],
            (_, 0) => vec!["only base has it".to_owned()],
            (one, other) => vec![format!("{one} requests → {other}")],
        };
    };
    let moved = match difference.kind {
        Kind::Moved if base.epoch != new.epoch => {
            Some(format!("epoch {} → {}", base.epoch, new.epoch))
        }
        Kind::Moved => Some(format!("place {} → {}", base.place, new.place)),
        _ => None,
    };
    let facts = difference.facts.iter().map(|fact| {
        let (base, new) = (value(fact, base), value(fact, new));
        format!("{} {base} → {new}", fact.name())
    });
    moved.into_iter().chain(facts).collect()
}

fn value(fact: Fact, one: &Compared) -> String {
    let request = &one.request;
    match fact {
        Fact::Operation => request.operation.to_string(),
        Fact::Offset => request.range.offset.to_string(),
        Fact::Length => request.range.length.to_string(),
        Fact::Flags => words::flags(request.flags),
        Fact::Payload if one.payload == Payload::Absent => "none".to_owned(),
        Fact::Payload => payload(one.payload),
        Fact::Result => result(one),
    }
}

/// Rules that are proposed, before they are added.
pub(super) fn rules(file: &str, text: &str, width: usize, room: usize) -> Vec<Text<'static>> {
    let title = rule(&format!("added to {file}"), width);
    let style = Style::new().add_modifier(Modifier::BOLD);
    let mut lines = vec![Text::styled(cut(&title, width), style)];
    let told: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    let style = Style::new().fg(Color::Green);
    for line in &told {
        let wrapped = words::wrapped(line, width.saturating_sub(3));
        lines.extend(wrapped.into_iter().map(|line| Text::styled(format!(" {line}"), style)));
    }
    if lines.len() > room {
        let more = lines.len() - room.saturating_sub(1);
        lines.truncate(room.saturating_sub(1));
        lines.push(Text::raw(format!(" … and {}", counted(more as u64, "more line"))));
    }
    lines
}

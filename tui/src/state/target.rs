//! Where somebody wants to go, as it is written behind `:`. A text in, a target out, or why it is none.
//!
//! Invariant: what is no place is given back as none, so that it may be a command; what begins as one and goes on wrong is refused.

use blkreplay_core::position::Position;
use blkreplay_core::query;
use blkreplay_core::request::RequestId;
use blkreplay_core::units::Nanos;

use crate::state::cell::span;

/// A place to go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The request with this id.
    Request(RequestId),
    /// The first request at this time or later.
    Time(Nanos),
    /// Where an event is.
    Position(Position),
    /// The first request that a filter means, and what is said of it.
    First(String, String),
    /// The next request that a filter means, and what is said of it.
    Next(String, String),
    /// A mark: a letter, or a name in the trace.
    Mark(String),
    /// So many percent of what is shown lie before it.
    Percent(u8),
    /// The first request.
    Begin,
    /// The last.
    End,
}

/// Words that begin a target, and what follows them.
pub const WORDS: [(&str, &str); 8] = [
    ("lba", "the next request that touches sector N"),
    ("off", "the next request that touches byte N"),
    ("epoch", "the first request of epoch N"),
    ("step", "the first request of step N"),
    ("flush", "the next flush, or flush N"),
    ("mark", "a mark: its letter, or its name in the trace"),
    ("begin", "the first request"),
    ("end", "the last request"),
];

/// What works, for those who wrote something else.
pub const PLACES: &str = "1214, 1.2s, @08:32:53, 50%, lba N, off N, epoch N, flush, mark NAME, end";

/// What is meant; `None` if it is no place.
pub fn target(text: &str) -> Result<Option<Target>, String> {
    if let Some(time) = text.strip_prefix('@') {
        return if time.contains(':') {
            Ok(Some(Target::First(format!("t >= {text}"), format!("at {text} or later"))))
        } else {
            at_time(time, text).map(Some)
        };
    }
    if let Some(digits) = text.strip_prefix('#') {
        let id = digits.parse().map_err(|_| format!("`{text}` is no request; #1214 is"))?;
        return Ok(Some(Target::Request(RequestId(id))));
    }
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return number(text).map(Some);
    }
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    let rest = rest.trim();
    let target = match (word, rest) {
        ("begin", "") => Target::Begin,
        ("end", "") => Target::End,
        ("flush", "") => Target::Next("flush".to_owned(), "is a flush".to_owned()),
        ("flush", _) => return flush(rest).map(Some),
        ("lba", _) => touching(word, rest, "lba 264192")?,
        ("off", _) => touching(word, rest, "off 129M")?,
        ("epoch", _) => {
            let number = whole(word, rest, "epoch 11")?;
            Target::First(format!("epoch == {number}"), format!("in epoch {number}"))
        }
        ("step", _) => {
            let number = whole(word, rest, "step 3")?;
            Target::First(format!("step >= {number}"), format!("in step {number} or later"))
        }
        ("mark", "") => return Err("`mark` needs its letter or its name: mark a".to_owned()),
        ("mark", name) => Target::Mark(name.to_owned()),
        _ => return position(text),
    };
    Ok(Some(target))
}

/// `1214`, `50%`, `1.2s`.
fn number(text: &str) -> Result<Target, String> {
    if let Ok(id) = text.parse() {
        return Ok(Target::Request(RequestId(id)));
    }
    if let Some(percent) = text.strip_suffix('%') {
        let percent = percent.trim().parse().ok().filter(|percent| *percent <= 100);
        return percent
            .map(Target::Percent)
            .ok_or_else(|| format!("`{text}` is not from 0% to 100%"));
    }
    at_time(text, text)
}

fn at_time(time: &str, text: &str) -> Result<Target, String> {
    let wrong = || format!("`{text}` is no time; 1.2s and @08:32:53 are, and 1214 is a request");
    time.parse().map(Target::Time).map_err(|_| wrong())
}

fn flush(which: &str) -> Result<Target, String> {
    match format!("flush:{which}").parse() {
        Ok(position) => Ok(Target::Position(position)),
        Err(_) => Err(format!("`{which}` is no flush; flush 3 is, and flush alone is the next")),
    }
}

fn touching(word: &str, number: &str, example: &str) -> Result<Target, String> {
    let at = query::size(number).and_then(|at| Some((at, at.checked_add(1)?)));
    let (at, end) = at.ok_or_else(|| format!("`{word}` needs a number: {example}"))?;
    let what = if word == "lba" { "sector" } else { "byte" };
    Ok(Target::Next(format!("{word} overlaps {at}..{end}"), format!("touches {what} {at}")))
}

fn whole(word: &str, number: &str, example: &str) -> Result<u64, String> {
    number.parse().map_err(|_| format!("`{word}` needs a number: {example}"))
}

/// A position as other commands take it, such as `mark:NAME`.
fn position(text: &str) -> Result<Option<Target>, String> {
    let is_one = ["event:", "flush:", "mark:"].iter().any(|word| text.starts_with(word));
    if !is_one {
        return Ok(None);
    }
    match text.parse().map_err(|error| format!("{error}"))? {
        Position::Mark(name) => Ok(Some(Target::Mark(name.as_str().to_owned()))),
        position => Ok(Some(Target::Position(position))),
    }
}

/// The filter of requests at a time or later.
pub fn since(time: Nanos) -> String {
    format!("t >= {}", span(time))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_as_they_are_written() {
        let first = |filter: &str, said: &str| Target::First(filter.to_owned(), said.to_owned());
        let next = |filter: &str, said: &str| Target::Next(filter.to_owned(), said.to_owned());
        for (text, meant) in [
            ("1214", Target::Request(RequestId(1214))),
            ("#1214", Target::Request(RequestId(1214))),
            ("1.2s", Target::Time(Nanos(1_200_000_000))),
            ("@250us", Target::Time(Nanos(250_000))),
            ("@08:32:53", first("t >= @08:32:53", "at @08:32:53 or later")),
            ("50%", Target::Percent(50)),
            ("lba 264192", next("lba overlaps 264192..264193", "touches sector 264192")),
            ("off 4k", next("off overlaps 4096..4097", "touches byte 4096")),
            ("epoch 11", first("epoch == 11", "in epoch 11")),
            ("step 3", first("step >= 3", "in step 3 or later")),
            ("flush", next("flush", "is a flush")),
            ("flush 3", Target::Position(Position::Flush { device: None, number: 3 })),
            ("flush:3", Target::Position(Position::Flush { device: None, number: 3 })),
            ("mark a", Target::Mark("a".to_owned())),
            ("mark:before fsck", Target::Mark("before fsck".to_owned())),
            ("event:7", Target::Position(Position::Event(7))),
            ("begin", Target::Begin),
            ("end", Target::End),
        ] {
            assert_eq!(target(text), Ok(Some(meant)), "{text}");
        }
    }

    #[test]
    fn what_begins_as_a_place_and_goes_on_wrong_is_refused_by_name() {
        for text in [
            "#x",
            "#",
            "12x",
            "101%",
            "1.2",
            "@",
            "@x",
            "lba",
            "lba x",
            "off 18446744073709551615",
            "epoch",
            "epoch 1.5",
            "step -1",
            "flush 0",
            "flush x",
            "mark",
            "mark:",
            "99999999999999999999",
        ] {
            assert!(target(text).is_err(), "{text}: {:?}", target(text));
        }
        for text in ["", "nowhere", "next-error", "ends", "epochs"] {
            assert_eq!(target(text), Ok(None), "{text}");
        }
    }
}

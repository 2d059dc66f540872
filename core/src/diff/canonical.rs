//! A line of canonical text: a request without what changes from run to run. A row in, a line out, and the other way round.
//!
//! ```text
//! # blkreplay canonical 1
//! # devices disk data                     only where there are several
//! disk e000 write 4096+512 fua xxh3:… ok  DEVICE EPOCH OPERATION RANGE FLAGS DATA RESULT
//! ```
//!
//! Knows no files. Invariant: what is read of a line that was written compares the same as the row it was written of.

use std::collections::HashSet;
use std::fmt::Write as _;

use crate::event::{CompletionFlags, Payload};
use crate::limits::CANONICAL_EPOCHS_MAX;
use crate::request::{Errno, Flags, Operation, Request};
use crate::rows::Row;
use crate::units::ByteRange;

/// The first line: what follows, and by which rules.
pub const FIRST_LINE: &str = "# blkreplay canonical 1";

/// What the line begins with that names the devices of a trace with several, in their order.
pub const DEVICES_LINE: &str = "# devices";

/// Names of the flags of a completion.
const ENDS: [&str; 2] = ["undelivered", "refused"];

/// Why a line is none of canonical text.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq)]
pub enum LineError {
    /// It ends too early.
    #[error("the line ends where {0} is expected")]
    Short(&'static str),
    /// A word is not what it should be.
    #[error("`{found}` is not {expected}")]
    Word {
        /// What stands there.
        found: String,
        /// What is expected.
        expected: &'static str,
    },
    /// More words than a line has.
    #[error("`{0}` stands behind the end of the line")]
    Long(String),
}

/// What a line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The device, if the text names devices.
    pub device: Option<String>,
    /// Its epoch.
    pub epoch: u64,
    /// What was asked.
    pub request: Request,
    /// What is known of its data: nothing, zeroes or a digest.
    pub payload: Payload,
    /// How it ended; `None` if that is not known.
    pub result: Option<Result<(), Errno>>,
    /// What else happened.
    pub ends: CompletionFlags,
}

/// The second line of a text, where there are several devices.
pub fn devices_line(names: &[String]) -> Option<String> {
    let names: Vec<_> = names.iter().map(|name| word(name)).collect();
    (names.len() > 1).then(|| format!("{DEVICES_LINE} {}", names.join(" ")))
}

/// The names that such a line has.
pub fn read_devices(line: &str) -> Result<Option<Vec<String>>, LineError> {
    let names = line.strip_prefix(DEVICES_LINE).and_then(|names| names.strip_prefix(' '));
    let Some(names) = names else { return Ok(None) };
    let mut known = HashSet::new();
    let device = |word: &str| {
        let device = name(word)?;
        if !known.insert(device.clone()) {
            return Err(wrong(word, "a name that no other device has"));
        }
        Ok(device)
    };
    names.split(' ').filter(|name| !name.is_empty()).map(device).collect::<Result<_, _>>().map(Some)
}

/// The line of a row. `device` is the name of its device, where there are several.
pub fn line(row: &Row, device: Option<&str>) -> String {
    let mut line = String::new();
    // Writing to a string cannot fail.
    if let Some(device) = device {
        let _ = write!(line, "{} ", word(device));
    }
    let _ = write!(line, "e{:03} {}", row.epoch, row.request.operation);
    if row.request.operation != Operation::Flush {
        let _ = write!(line, " {}", row.request.range);
    }
    let ends = row.completion.as_ref().map(|completion| completion.flags).unwrap_or_default();
    let named = ENDS.into_iter().zip([ends.undelivered, ends.refused]);
    let flags = row.request.flags.names().chain(named.filter(|(_, is)| *is).map(|(name, _)| name));
    let flags: Vec<_> = flags.collect();
    if !flags.is_empty() {
        let _ = write!(line, " {}", flags.join(","));
    }
    if row.payload != Payload::Absent {
        let _ = write!(line, " {}", row.payload);
    }
    let _ = match row.completion.as_ref().map(|completion| completion.result) {
        None => write!(line, " -"),
        Some(Ok(())) => write!(line, " ok"),
        Some(Err(errno)) => write!(line, " {errno}"),
    };
    line
}

/// What a line says, which begins with the name of a device if `named`.
pub fn read(line: &str, named: bool) -> Result<Line, LineError> {
    let mut words = line.split(' ');
    let mut next =
        |expected| words.next().filter(|word| !word.is_empty()).ok_or(LineError::Short(expected));
    let device = if named { Some(name(next("the name of a device")?)?) } else { None };
    let epoch = next("an epoch")?;
    let epoch = epoch
        .strip_prefix('e')
        .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|digits| digits.parse().ok())
        .filter(|epoch| *epoch < CANONICAL_EPOCHS_MAX)
        .ok_or_else(|| wrong(epoch, "an epoch, as e000"))?;
    let operation = next("an operation")?;
    let operation = Operation::NAMES
        .iter()
        .find(|(_, name)| *name == operation)
        .map(|(operation, _)| *operation)
        .ok_or_else(|| wrong(operation, "an operation"))?;
    let range = match operation {
        Operation::Flush => ByteRange::default(),
        _ => range(next("a range, as 4096+512")?)?,
    };
    let mut word = next("a result")?;
    let (mut flags, mut ends) = (Flags::NONE, CompletionFlags::default());
    if let Some(found) = read_flags(word) {
        (flags, ends) = found;
        word = next("a result")?;
    }
    let payload = payload(word)?;
    if payload.is_some() {
        word = next("a result")?;
    }
    let result = match word {
        "-" => None,
        "ok" => Some(Ok(())),
        errno => Some(Err(errno.parse().map_err(|_| wrong(errno, "ok, - or an errno"))?)),
    };
    if result.is_none() && ends != CompletionFlags::default() {
        return Err(wrong(word, "how a request ended that was undelivered or refused"));
    }
    if let Some(more) = words.next() {
        return Err(LineError::Long(more.to_owned()));
    }
    let request = Request { operation, range, flags };
    let payload = payload.unwrap_or_default();
    Ok(Line { device, epoch, request, payload, result, ends })
}

fn wrong(found: &str, expected: &'static str) -> LineError {
    LineError::Word { found: found.to_owned(), expected }
}

/// It may end where no disk does: a front refuses such a request, and records it.
fn range(word: &str) -> Result<ByteRange, LineError> {
    let number = |digits: &str| {
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())
    };
    let parts = word
        .split_once('+')
        .and_then(|(offset, length)| Some(ByteRange::new(number(offset)??, number(length)??)));
    parts.ok_or_else(|| wrong(word, "a range, as 4096+512"))
}

/// The flags that a word names; `None` if it is something else.
fn read_flags(word: &str) -> Option<(Flags, CompletionFlags)> {
    let (mut flags, mut ends) = (Flags::NONE, CompletionFlags::default());
    for name in word.split(',') {
        match name {
            "undelivered" => ends.undelivered = true,
            "refused" => ends.refused = true,
            name => flags = flags.with(Flags::NAMES.iter().find(|(_, known)| *known == name)?.0),
        }
    }
    Some((flags, ends))
}

/// The data that a word tells of; `None` if it is something else.
fn payload(word: &str) -> Result<Option<Payload>, LineError> {
    if word == "zeroes" {
        return Ok(Some(Payload::Zeroes));
    }
    if !word.starts_with("xxh3:") {
        return Ok(None);
    }
    let digest = word.parse().map_err(|_| wrong(word, "a digest"))?;
    Ok(Some(Payload::Digest(digest)))
}

/// A name as one word: what would end it, or steer a terminal, is written by its number.
fn word(name: &str) -> String {
    if name.is_empty() {
        return "\\u{}".to_owned();
    }
    let mut word = String::with_capacity(name.len());
    for character in name.chars() {
        match character {
            c if c.is_whitespace() || c.is_control() || "\\#".contains(c) => {
                // Writing to a string cannot fail.
                let _ = write!(word, "\\u{{{:x}}}", u32::from(c));
            }
            c => word.push(c),
        }
    }
    word
}

/// The name that such a word is.
fn name(word: &str) -> Result<String, LineError> {
    let mut name = String::with_capacity(word.len());
    let mut rest = word;
    while let Some((before, after)) = rest.split_once('\\') {
        name.push_str(before);
        let hex = after.strip_prefix("u{").and_then(|after| after.split_once('}'));
        let (hex, behind) = hex.ok_or_else(|| wrong(word, "the name of a device"))?;
        if !hex.is_empty() {
            let character = u32::from_str_radix(hex, 16).ok().and_then(char::from_u32);
            name.push(character.ok_or_else(|| wrong(word, "the name of a device"))?);
        }
        rest = behind;
    }
    name.push_str(rest);
    Ok(name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event::PayloadId;
    use crate::request::{ConnectionId, DeviceId, Digest, RequestId};
    use crate::rows::{Context, RowCompletion};
    use crate::units::Nanos;

    fn row(line: &Line) -> Row {
        let completion = line.result.map(|result| RowCompletion {
            result,
            latency: Nanos(77),
            hold: Nanos(8),
            flags: line.ends,
            extents: Vec::new(),
        });
        Row {
            id: RequestId(12),
            device: DeviceId(3),
            connection: ConnectionId(1),
            cookie: 5,
            request: line.request,
            event: 40,
            time: Nanos(99),
            early: Nanos(0),
            epoch: line.epoch,
            payload: line.payload,
            completion,
            context: Context::default(),
        }
    }

    prop_compose! {
        fn any_line()(
            device in prop::option::of(any::<String>()),
            epoch in 0..CANONICAL_EPOCHS_MAX,
            operation in 0_u8..7,
            offset in 0_u64..1 << 40,
            length in prop_oneof![0_u64..1 << 30, any::<u64>()],
            flags in 0_u8..16,
            payload in prop_oneof![
                Just(Payload::Absent),
                Just(Payload::Zeroes),
                any::<u128>().prop_map(|digest| Payload::Digest(Digest(digest))),
            ],
            result in prop::option::of(prop_oneof![
                Just(Ok(())),
                any::<u16>().prop_map(|errno| Err(Errno(errno))),
            ]),
            undelivered in any::<bool>(),
            refused in any::<bool>(),
        ) -> Line {
            let operation = Operation::from_number(operation).unwrap();
            let range = match operation {
                Operation::Flush => ByteRange::default(),
                _ => ByteRange::new(offset, length),
            };
            let request = Request { operation, range, flags: Flags::from_bits(flags).unwrap() };
            let ends = match result {
                Some(_) => CompletionFlags { undelivered, refused },
                None => CompletionFlags::default(),
            };
            Line { device, epoch, request, payload, result, ends }
        }
    }

    proptest! {
        #[test]
        fn what_is_read_of_a_line_is_what_was_written(one in any_line()) {
            let text = line(&row(&one), one.device.as_deref());
            prop_assert!(!text.contains(['\n', '\r', '\u{1b}']), "{text:?}");
            prop_assert!(!text.starts_with('#'));
            prop_assert_eq!(read(&text, one.device.is_some()), Ok(one));
        }

        #[test]
        fn no_text_is_read_as_something_that_is_written_otherwise(text in ".{0,60}", named in any::<bool>()) {
            if let Ok(one) = read(&text, named) {
                let again = line(&row(&one), one.device.as_deref());
                prop_assert_eq!(read(&again, named), Ok(one));
            }
        }

        #[test]
        fn names_of_devices_come_back(names in prop::collection::hash_set(any::<String>(), 2..5)) {
            let names: Vec<_> = names.into_iter().collect();
            let line = devices_line(&names).unwrap();
            prop_assert_eq!(read_devices(&line), Ok(Some(names)));
        }
    }

    #[test]
    fn a_stored_payload_is_told_by_its_digest() {
        let text = "e001 write 4096+512 fua,undelivered xxh3:0000000000000000000000000000002a ok";
        let one = read(text, false).unwrap();
        assert_eq!(line(&row(&one), None), text);
        let stored = Row { payload: Payload::Stored(Digest(42), PayloadId(1)), ..row(&one) };
        assert_eq!(line(&stored, None), text);
        assert_eq!(line(&row(&read("e000 flush ok", false).unwrap()), None), "e000 flush ok");
        assert_eq!(devices_line(&["disk".to_owned()]), None);
        assert_eq!(read_devices("# by hand"), Ok(None));
        assert_eq!(read_devices("# devices: two, by hand"), Ok(None));
        let twice = read_devices("# devices a b a").unwrap_err().to_string();
        assert_eq!(twice, "`a` is not a name that no other device has");
    }

    #[test]
    fn a_line_that_is_none_is_refused_with_the_word_that_is_wrong() {
        let said = |text: &str| read(text, false).unwrap_err().to_string();
        assert_eq!(said(""), "the line ends where an epoch is expected");
        assert_eq!(said("x001"), "`x001` is not an epoch, as e000");
        assert_eq!(said("e+1 read 0+1 ok"), "`e+1` is not an epoch, as e000");
        for large in [CANONICAL_EPOCHS_MAX, u64::MAX - 1, u64::MAX] {
            let text = format!("e{large} read 0+1 ok");
            assert_eq!(said(&text), format!("`e{large}` is not an epoch, as e000"));
        }
        assert!(read(&format!("e{} read 0+1 ok", CANONICAL_EPOCHS_MAX - 1), false).is_ok());
        assert_eq!(said("e0 reed 0+1 ok"), "`reed` is not an operation");
        assert_eq!(said("e0 read 0-1 ok"), "`0-1` is not a range, as 4096+512");
        assert_eq!(
            said("e0 read 18446744073709551616+1 ok"),
            "`18446744073709551616+1` is not a range, as 4096+512"
        );
        assert_eq!(said("e0 read 0+1"), "the line ends where a result is expected");
        assert_eq!(said("e0 read 0+1 fua"), "the line ends where a result is expected");
        assert_eq!(said("e0 read 0+1 fau ok"), "`fau` is not ok, - or an errno");
        assert_eq!(said("e0 read 0+1 xxh3:12 ok"), "`xxh3:12` is not a digest");
        assert_eq!(
            said("e0 read 0+1 refused -"),
            "`-` is not how a request ended that was undelivered or refused"
        );
        assert_eq!(said("e0 read 0+1 ok ok"), "`ok` stands behind the end of the line");
        assert_eq!(
            read("di\\sk e0 flush ok", true).unwrap_err().to_string(),
            "`di\\sk` is not the name of a device"
        );
    }
}

//! A request as other tools ask the same: qemu-io, nbdsh, fio. Rows and data in, text out.
//!
//! Invariant: where a tool cannot ask the same, that is said, and nothing else is asked in its place.

use std::fmt::Write as _;

use blkreplay_core::event::Payload;
use blkreplay_core::request::{Flags, Operation, Request};
use blkreplay_core::rows::Row;

/// Data that a line of nbdsh has at most.
const NBDSH_DATA_MAX: u64 = 4 << 20;

/// Lengths that fio reads: it keeps them in 32 bits.
const FIO_LENGTH_MAX: u64 = u32::MAX as u64;

/// A command of qemu-io that asks the same, but for flags that it does not have: see `qemu_io_drops`.
pub(crate) fn qemu_io(row: &Row) -> Result<String, String> {
    let Request { operation, range, flags } = row.request;
    let fua = if flags.contains(Flags::FUA) { "-f " } else { "" };
    let unmap = if flags.contains(Flags::NO_HOLE) { "" } else { "-u " };
    let (offset, length) = (range.offset, range.length);
    Ok(match operation {
        Operation::Read => format!("read {offset} {length}"),
        Operation::Write => format!("write {fua}{offset} {length}"),
        Operation::WriteZeroes => format!("write {fua}-z {unmap}{offset} {length}"),
        Operation::Discard => format!("discard {offset} {length}"),
        Operation::Flush => "flush".to_owned(),
        Operation::BlockStatus | Operation::Cache => {
            return Err(format!("qemu-io has no command for {operation}"));
        }
    })
}

/// Flags that a command of qemu-io cannot ask for, in words. It reads no comments, so they cannot stand in its text.
pub(crate) fn qemu_io_drops(row: &Row) -> Option<String> {
    let Request { operation, flags, .. } = row.request;
    let asks = match operation {
        Operation::Write => Flags::FUA,
        Operation::WriteZeroes => Flags::FUA.with(Flags::NO_HOLE),
        _ => Flags::NONE,
    };
    let without = |names: String| format!("without {names}, which `{operation}` of qemu-io lacks");
    dropped(flags, asks).map(without)
}

/// The names of flags but for those that are asked for; `None` if there are no others.
fn dropped(flags: Flags, asks: Flags) -> Option<String> {
    let asked: Vec<&str> = asks.names().collect();
    let names: Vec<&str> = flags.names().filter(|name| !asked.contains(name)).collect();
    (!names.is_empty()).then(|| names.join(" and "))
}

/// Lines of nbdsh, the Python shell of libnbd, that ask the same. `data` are those of a write, where they are known.
pub(crate) fn nbdsh(row: &Row, data: Option<&[u8]>) -> Result<String, String> {
    let Request { operation, range, flags } = row.request;
    let (offset, length) = (range.offset, range.length);
    let flags = nbdsh_flags(flags);
    Ok(match operation {
        Operation::Read => format!("h.pread({length}, {offset}{flags})\n"),
        Operation::Write => {
            let data = nbdsh_data(row, data)?;
            format!("h.pwrite({data}, {offset}{flags})\n")
        }
        Operation::WriteZeroes => format!("h.zero({length}, {offset}{flags})\n"),
        Operation::Discard => format!("h.trim({length}, {offset}{flags})\n"),
        Operation::Flush => "h.flush()\n".to_owned(),
        Operation::Cache => format!("h.cache({length}, {offset}{flags})\n"),
        Operation::BlockStatus => {
            let callback = "lambda *extents: print(extents)";
            format!("h.block_status({length}, {offset}, {callback}{flags})\n")
        }
    })
}

fn nbdsh_flags(flags: Flags) -> String {
    let names: Vec<String> =
        flags.names().map(|name| format!("nbd.CMD_FLAG_{}", name.to_uppercase())).collect();
    if names.is_empty() { String::new() } else { format!(", flags={}", names.join(" | ")) }
}

fn nbdsh_data(row: &Row, data: Option<&[u8]>) -> Result<String, String> {
    let length = row.request.range.length;
    match (row.payload, data) {
        (Payload::Zeroes, _) => Ok(format!("bytes({length})")),
        (Payload::Stored(..), Some(_)) if length > NBDSH_DATA_MAX => Err(format!(
            "a line for nbdsh has no more than {NBDSH_DATA_MAX} bytes of data, and this write has {length}"
        )),
        (Payload::Stored(..), Some(data)) => Ok(format!("bytes.fromhex(\"{}\")", hex(data))),
        (Payload::Stored(..), None) => Err("its data were not read yet; press it again".to_owned()),
        (Payload::Digest(_) | Payload::Absent, _) => {
            Err("the trace does not have its data: nbdsh would write others".to_owned())
        }
    }
}

/// A line of an I/O log of fio, version 3, that asks the same of a file called `device`, and flags in a comment: it has none.
pub(crate) fn iolog(row: &Row, device: &str) -> Result<String, String> {
    let Request { operation, range, flags } = row.request;
    let (action, length) = match operation {
        Operation::Read => ("read", range.length),
        Operation::Write => ("write", range.length),
        Operation::Discard => ("trim", range.length),
        Operation::Flush => ("sync", 0),
        Operation::WriteZeroes | Operation::BlockStatus | Operation::Cache => {
            return Err(format!("a log of fio has no line for {operation}"));
        }
    };
    if length > FIO_LENGTH_MAX {
        return Err(format!("fio reads no length above {FIO_LENGTH_MAX}, and this is {length}"));
    }
    // fio reads words between blanks.
    let device: String =
        device.chars().map(|one| if one.is_whitespace() { '_' } else { one }).collect();
    let micros = row.time.0 / 1000;
    // It reads five words of a line, and nothing behind them.
    let without = |names: String| format!(" # without {names}, which a log of fio lacks");
    let without = dropped(flags, Flags::NONE).map_or_else(String::new, without);
    Ok(format!("{micros} {device} {action} {} {length}{without}\n", range.offset))
}

/// Bytes as digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use blkreplay_core::rows::Rows;
    use blkreplay_fixtures::story;

    use super::*;

    fn asking(operation: Operation, flags: Flags) -> Row {
        let reader = blkreplay_core::format::Reader::open(std::io::Cursor::new(story::trace()));
        let mut row = Rows::new(reader.unwrap()).next_row().unwrap().unwrap();
        row.request.operation = operation;
        row.request.flags = flags;
        row
    }

    #[test]
    fn flags_that_a_tool_cannot_ask_for_are_said() {
        let all = Flags::from_bits(15).unwrap();
        for (operation, flags, qemu_io, iolog) in [
            (Operation::Write, Flags::FUA, None, Some("fua")),
            (Operation::Discard, Flags::FUA, Some("fua"), Some("fua")),
            (Operation::Discard, Flags::NONE, None, None),
            (Operation::WriteZeroes, all, Some("fast_zero and req_one"), None),
            (Operation::Read, Flags::FUA, Some("fua"), Some("fua")),
        ] {
            let row = asking(operation, flags);
            let said = qemu_io_drops(&row);
            let expected = qemu_io
                .map(|names| format!("without {names}, which `{operation}` of qemu-io lacks"));
            assert_eq!(said, expected, "{operation}");
            let Ok(line) = super::iolog(&row, "disk") else { continue };
            let comment = line.split_once(" # ").map(|(_, comment)| comment.trim_end().to_owned());
            let expected = iolog.map(|names| format!("without {names}, which a log of fio lacks"));
            assert_eq!(comment, expected, "{operation}");
            assert!(line.ends_with('\n'));
        }
    }
}

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

/// A command of qemu-io that asks the same.
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

/// A line of an I/O log of fio, version 3, that asks the same of a file called `device`.
pub(crate) fn iolog(row: &Row, device: &str) -> Result<String, String> {
    let Request { operation, range, .. } = row.request;
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
    Ok(format!("{micros} {device} {action} {} {length}\n", range.offset))
}

/// Bytes as digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

//! The built-in client of the demo: a little of everything a disk can be asked. A connected stream comes in,
//! requests go out over it.
//!
//! It knows NBD only through core's client. Invariant: what it leaves on the disk depends on nothing but the
//! requests below, and it is told when the disk does not hold what was written.

use std::os::unix::net::UnixStream;

use blkreplay_core::nbd::{Client, ClientError, Dialect};
use blkreplay_core::request::{Flags, Operation, Request};
use blkreplay_core::units::ByteRange;

/// Bytes that the disk has to have.
pub(crate) const DISK_BYTES: u64 = 4 << 20;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// Why the workload was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorkloadError {
    /// The server did not play along.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A read returned something else than was written.
    #[error("bytes {0} do not hold what was written there")]
    Wrong(ByteRange),
}

/// Does it all, then says goodbye.
pub(crate) fn run(stream: UnixStream) -> Result<(), WorkloadError> {
    let mut client = Client::connect(stream, "", Dialect::Structured)?;
    look_around(&mut client)?;
    write_durably(&mut client)?;
    overlap(&mut client)?;
    give_back(&mut client)?;
    client.close()?;
    Ok(())
}

type Connection = Client<UnixStream>;

fn request(operation: Operation, offset: u64, length: u64) -> Request {
    Request { operation, range: ByteRange::new(offset, length), flags: Flags::NONE }
}

fn pattern(text: &str, length: u64) -> Vec<u8> {
    let length = usize::try_from(length).unwrap_or(0);
    text.bytes().cycle().take(length).collect()
}

/// What any client does first: where is something, and what is at the front?
fn look_around(client: &mut Connection) -> Result<(), WorkloadError> {
    client.call(&request(Operation::BlockStatus, 0, DISK_BYTES), &[])?;
    client.read(ByteRange::new(0, 4 * KIB))?;
    Ok(())
}

/// A journal, a flush, and a superblock that is durable before its answer comes.
fn write_durably(client: &mut Connection) -> Result<(), WorkloadError> {
    let journal = pattern("journal ", 64 * KIB);
    client.write(64 * KIB, &journal, Flags::NONE)?;
    client.flush()?;
    client.write(0, &pattern("superblock ", 4 * KIB), Flags::FUA)?;
    expect(client, ByteRange::new(64 * KIB, 64 * KIB), &journal)
}

/// Requests in flight together: two writes that overlap, which are kept in order, and a flush and a read,
/// which need not be answered in theirs.
fn overlap(client: &mut Connection) -> Result<(), WorkloadError> {
    let (one, two) = (pattern("one ", 8 * KIB), pattern("two ", 8 * KIB));
    send_together(
        client,
        &[
            (request(Operation::Write, MIB, 8 * KIB), &one),
            (request(Operation::Write, MIB + 4 * KIB, 8 * KIB), &two),
        ],
    )?;
    send_together(
        client,
        &[
            (request(Operation::Flush, 0, 0), &[]),
            (request(Operation::Read, 64 * KIB, 16 * KIB), &[]),
        ],
    )?;
    let expected = [&one[..4096], &two[..]].concat();
    expect(client, ByteRange::new(MIB, 12 * KIB), &expected)
}

/// Zeroes and holes; then a look at what is left.
fn give_back(client: &mut Connection) -> Result<(), WorkloadError> {
    client.write(2 * MIB, &pattern("scratch ", 128 * KIB), Flags::NONE)?;
    let keep =
        Request { flags: Flags::NO_HOLE, ..request(Operation::WriteZeroes, 2 * MIB, 64 * KIB) };
    client.call(&keep, &[])?;
    client.call(&request(Operation::Discard, 2 * MIB + 64 * KIB, 32 * KIB), &[])?;
    expect(client, ByteRange::new(2 * MIB, 64 * KIB), &pattern("\0", 64 * KIB))?;
    client.call(&request(Operation::Cache, 0, 64 * KIB), &[])?;
    client.call(&request(Operation::BlockStatus, 2 * MIB, MIB), &[])?;
    client.flush()?;
    Ok(())
}

fn send_together(
    client: &mut Connection,
    requests: &[(Request, &[u8])],
) -> Result<(), WorkloadError> {
    for (request, data) in requests {
        client.send(request, data)?;
    }
    for _ in requests {
        client.receive()?.result.map_err(ClientError::Failed)?;
    }
    Ok(())
}

fn expect(client: &mut Connection, range: ByteRange, expected: &[u8]) -> Result<(), WorkloadError> {
    if client.read(range)? == expected { Ok(()) } else { Err(WorkloadError::Wrong(range)) }
}

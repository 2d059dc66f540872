//! An NBD client made by hand from proto.md, which sends whatever it is told. Knows nothing of our own codec.
//!
//! Invariant: it never waits without end; what does not come in time is an error.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// Longer than the server's own patience with a silent handshake.
pub(super) const TIME_LIMIT: Duration = Duration::from_secs(30);

const OPTION_EXPORT_NAME: u32 = 1;
const REQUEST_MAGIC: u32 = 0x2560_9513;
const SIMPLE_REPLY_MAGIC: u32 = 0x6744_6698;

pub(super) const READ: u16 = 0;
pub(super) const WRITE: u16 = 1;
pub(super) const DISCONNECT: u16 = 2;

/// A connection.
pub(super) struct RawClient {
    pub(super) stream: UnixStream,
    /// The size of the export, once it is known.
    pub(super) size: u64,
}

impl RawClient {
    /// Connects and reads the server's greeting, but says nothing.
    pub(super) fn silent(socket: &Path) -> RawClient {
        RawClient::greeted(socket).expect("the server greets")
    }

    /// The same; `None` if the server shows it out instead.
    pub(super) fn greeted(socket: &Path) -> Option<RawClient> {
        let stream = UnixStream::connect(socket).unwrap();
        stream.set_read_timeout(Some(TIME_LIMIT)).unwrap();
        stream.set_write_timeout(Some(TIME_LIMIT)).unwrap();
        let mut client = RawClient { stream, size: 0 };
        let greeting = client.receive(18).ok()?;
        assert_eq!(&greeting[..16], b"NBDMAGICIHAVEOPT");
        Some(client)
    }

    /// Connects and agrees on the default export, with simple replies.
    pub(super) fn ready(socket: &Path) -> RawClient {
        let mut client = RawClient::silent(socket);
        // Fixed newstyle, and no 124 zeroes, please.
        client.send(&3u32.to_be_bytes());
        client.send(b"IHAVEOPT");
        client.send(&OPTION_EXPORT_NAME.to_be_bytes());
        client.send(&0u32.to_be_bytes());
        let answer = client.receive(10).unwrap();
        client.size = u64::from_be_bytes(answer[..8].try_into().unwrap());
        client
    }

    /// Sends bytes.
    pub(super) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Sends a request without its data. The cookie is the offset.
    pub(super) fn ask(&mut self, command: u16, offset: u64, length: u32) {
        let mut request = REQUEST_MAGIC.to_be_bytes().to_vec();
        request.extend(0u16.to_be_bytes());
        request.extend(command.to_be_bytes());
        request.extend(offset.to_be_bytes());
        request.extend(offset.to_be_bytes());
        request.extend(length.to_be_bytes());
        self.send(&request);
    }

    /// Receives a simple reply without its data: the cookie and the error.
    pub(super) fn reply(&mut self) -> io::Result<(u64, u32)> {
        let reply = self.receive(16)?;
        assert_eq!(reply[..4], SIMPLE_REPLY_MAGIC.to_be_bytes());
        let error = u32::from_be_bytes(reply[4..8].try_into().unwrap());
        Ok((u64::from_be_bytes(reply[8..].try_into().unwrap()), error))
    }

    /// Receives exactly `length` bytes.
    pub(super) fn receive(&mut self, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// Whether the server has ended the connection, after whatever it still had to say.
    pub(super) fn is_ended(&mut self) -> bool {
        match self.stream.read_to_end(&mut Vec::new()) {
            Ok(_) => true,
            Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
        }
    }
}

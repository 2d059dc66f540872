//! A small client: blocking, several requests in flight, for the demo and for tests.
//!
//! The export is chosen by `negotiate`, answers are understood by `answers`, as those of the servers of others are. No
//! more is read than the answer at hand needs. Invariant: replies are matched by cookie, so they may come in any order.

use std::io::{self, Read, Write};

use bytes::BufMut;

use crate::nbd::answers::{Answer, AnswerError, Answers, Heard};
use crate::nbd::asking::{Dialect, leave};
use crate::nbd::inbox::Inbox;
use crate::nbd::negotiate::{NegotiationError, negotiate};
use crate::request::{Errno, Flags, Operation, Request};
use crate::units::ByteRange;

/// Why a client cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The connection failed or was closed.
    #[error("the connection to the server failed")]
    Io(#[from] io::Error),
    /// There is no export to use.
    #[error("cannot choose the export")]
    Negotiation(#[from] NegotiationError),
    /// The server is not what was asked for.
    #[error("the server does not talk {wanted:?} but {agreed:?}")]
    Dialect {
        /// As asked for.
        wanted: Dialect,
        /// As the server would have it.
        agreed: Dialect,
    },
    /// The server said what no server may.
    #[error("the server broke the protocol")]
    Answer(#[from] AnswerError),
    /// The server answered a request with an error.
    #[error("the server answered {0}")]
    Failed(Errno),
}

/// A connection to an export, over any stream.
#[derive(Debug)]
pub struct Client<S: Read + Write> {
    stream: S,
    dialect: Dialect,
    size: u64,
    transmission_flags: u16,
    next_cookie: u64,
    inbox: Inbox,
    answers: Answers,
}

impl<S: Read + Write> Client<S> {
    /// Chooses `export` over a stream that is connected to a server, which has to talk as asked for.
    pub fn connect(
        mut stream: S,
        export: &str,
        dialect: Dialect,
    ) -> Result<Client<S>, ClientError> {
        let terms = negotiate(&mut stream, export, dialect)?;
        if terms.dialect != dialect {
            return Err(ClientError::Dialect { wanted: dialect, agreed: terms.dialect });
        }
        Ok(Client {
            stream,
            dialect,
            size: terms.size,
            transmission_flags: terms.flags,
            next_cookie: 0,
            inbox: Inbox::default(),
            answers: Answers::new(dialect, terms.allocation),
        })
    }

    /// Bytes of the export.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The transmission flags of the export, as the protocol numbers them.
    pub fn transmission_flags(&self) -> u16 {
        self.transmission_flags
    }

    /// Sends a request and does not wait; returns its cookie. `data` are those of a write.
    pub fn send(&mut self, request: &Request, data: &[u8]) -> Result<u64, ClientError> {
        let cookie = self.next_cookie;
        self.next_cookie += 1;
        let headers = self.dialect.headers();
        let mut bytes = Vec::with_capacity(headers.request_bytes() + data.len());
        self.dialect.header(request, cookie).write(headers, &mut bytes);
        bytes.put_slice(data);
        self.stream.write_all(&bytes)?;
        self.answers.await_one(cookie, request.operation, request.range);
        Ok(cookie)
    }

    /// Waits for the next answer, to whichever request.
    pub fn receive(&mut self) -> Result<Answer, ClientError> {
        loop {
            match self.answers.next(&mut self.inbox)? {
                Heard::Answer(answer) => return Ok(answer),
                Heard::Starved { missing } => self.hear(missing)?,
            }
        }
    }

    /// Receives `missing` bytes. The room for them grows as they come.
    fn hear(&mut self, missing: usize) -> io::Result<()> {
        let room = self.inbox.room(missing);
        if (&mut self.stream).take(missing as u64).read_to_end(room)? != missing {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }

    /// Sends a request and waits for its answer; an error in the answer is an error here. Nothing else may
    /// be in flight.
    pub fn call(&mut self, request: &Request, data: &[u8]) -> Result<Answer, ClientError> {
        let cookie = self.send(request, data)?;
        let answer = self.receive()?;
        debug_assert_eq!(answer.cookie, cookie, "something else was in flight");
        answer.result.map_err(ClientError::Failed)?;
        Ok(answer)
    }

    /// Reads.
    pub fn read(&mut self, range: ByteRange) -> Result<Vec<u8>, ClientError> {
        let request = Request { operation: Operation::Read, range, flags: Flags::NONE };
        Ok(self.call(&request, &[])?.data.into())
    }

    /// Writes.
    pub fn write(&mut self, offset: u64, data: &[u8], flags: Flags) -> Result<(), ClientError> {
        let range = ByteRange::new(offset, data.len() as u64);
        self.call(&Request { operation: Operation::Write, range, flags }, data).map(drop)
    }

    /// Flushes.
    pub fn flush(&mut self) -> Result<(), ClientError> {
        let (operation, range) = (Operation::Flush, ByteRange::default());
        self.call(&Request { operation, range, flags: Flags::NONE }, &[]).map(drop)
    }

    /// The stream beneath, for tests that break the rules.
    #[cfg(test)]
    pub(super) fn stream(&self) -> &S {
        &self.stream
    }

    /// Gives the stream up without a word.
    #[cfg(test)]
    pub(super) fn close_quietly(self) -> S {
        self.stream
    }

    /// Says goodbye and gives the stream back. What is in flight is finished and not answered.
    pub fn close(mut self) -> Result<S, ClientError> {
        let mut bytes = Vec::new();
        leave(self.next_cookie).write(self.dialect.headers(), &mut bytes);
        self.stream.write_all(&bytes)?;
        Ok(self.stream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nbd::wire::{CHUNK_DONE, ChunkHeader, Headers, chunk, write_simple_reply};
    use crate::request::Extent;

    /// A server that has said all that it ever will, and hears nothing.
    struct Said(io::Cursor<Vec<u8>>);

    impl Read for Said {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0.read(buffer)
        }
    }

    impl Write for Said {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    const OFFSET: u64 = 0x1000;

    /// What a client makes of `said`, in answer to `operation` on eight bytes at [`OFFSET`], and how much it left unread.
    fn answer(
        dialect: Dialect,
        operation: Operation,
        said: &[u8],
    ) -> (Result<Answer, ClientError>, usize) {
        let mut client = Client {
            stream: Said(io::Cursor::new(said.to_vec())),
            dialect,
            size: 1 << 40,
            transmission_flags: 0,
            next_cookie: 0,
            inbox: Inbox::default(),
            answers: Answers::new(dialect, Some(1)),
        };
        let range = ByteRange::new(OFFSET, 8);
        client.send(&Request { operation, range, flags: Flags::NONE }, &[]).unwrap();
        let answer = client.receive();
        let Said(said) = client.close_quietly();
        (answer, said.get_ref().len() - usize::try_from(said.position()).unwrap())
    }

    fn chunk(headers: Headers, kind: u16, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap();
        let mut bytes = Vec::new();
        ChunkHeader { flags: CHUNK_DONE, kind, cookie: 0, offset: OFFSET, length }
            .write(headers, &mut bytes);
        bytes.extend(payload);
        bytes
    }

    #[test]
    fn answers_are_understood_in_each_dialect_and_every_truncation_is_noticed() {
        let (compact, extended) = (Headers::Compact, Headers::Extended);
        let mut simple = Vec::new();
        write_simple_reply(&mut simple, 0, 0);
        let simple_data = [&simple[..], b"eight by"].concat();
        let data = b"\0\0\0\0\0\0\x10\0eight by";
        let error = b"\0\0\0\x05\0\0";
        let extents = b"\0\0\0\x01\0\0\0\x01\0\0\0\x02\0\0\0\0\0\0\0\0\0\0\0\x03";
        let extent = Extent { length: 8 << 30, hole: true, zero: true };
        let plain =
            Answer { cookie: 0, result: Ok(()), data: b"".as_slice().into(), extents: Vec::new() };
        let failed = Answer { result: Err(Errno::EIO), ..plain.clone() };
        let read = Answer { data: b"eight by".as_slice().into(), ..plain.clone() };
        let status = Answer { extents: vec![extent], ..plain.clone() };
        let (discard, reads) = (Operation::Discard, Operation::Read);
        for (dialect, operation, said, expected) in [
            (Dialect::Simple, discard, simple.clone(), &plain),
            (Dialect::Simple, reads, simple_data, &read),
            (Dialect::Structured, discard, simple, &plain),
            (Dialect::Structured, reads, chunk(compact, chunk::OFFSET_DATA, data), &read),
            (Dialect::Structured, reads, chunk(compact, chunk::ERROR, error), &failed),
            (Dialect::Extended, discard, chunk(extended, chunk::NONE, b""), &plain),
            (Dialect::Extended, discard, chunk(extended, chunk::ERROR, error), &failed),
            (Dialect::Extended, reads, chunk(extended, chunk::OFFSET_DATA, data), &read),
            (
                Dialect::Extended,
                Operation::BlockStatus,
                chunk(extended, chunk::BLOCK_STATUS_EXT, extents),
                &status,
            ),
        ] {
            for end in 0..said.len() {
                let (cut, _) = answer(dialect, operation, &said[..end]);
                assert!(matches!(cut, Err(ClientError::Io(_))), "cut at byte {end}: {cut:?}");
            }
            let more = [&said[..], b"the next"].concat();
            let (whole, unread) = answer(dialect, operation, &more);
            assert_eq!((&whole.unwrap(), unread), (expected, 8), "no more is read than it has");
        }
    }

    #[test]
    fn what_no_server_may_say_is_an_error() {
        let short = chunk(Headers::Compact, chunk::OFFSET_DATA, b"\0\0\0\0\0\0\x10\0seven b");
        let (answer, _) = answer(Dialect::Structured, Operation::Read, &short);
        let Err(ClientError::Answer(AnswerError::Short { found: 7, .. })) = answer else {
            panic!("{answer:?}")
        };
    }
}

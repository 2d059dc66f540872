//! A small client: blocking, several requests in flight, for the demo and for tests.
//!
//! It trusts its server as far as memory goes (it believes lengths up to `REQUEST_DATA_BYTES_MAX`) and no
//! further: anything unexpected is an error. Invariant: replies are matched by cookie, so they may come in
//! any order.

mod haggle;

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use bytes::{Buf, BufMut};

use self::haggle::{expect, haggle, put_string, read_bytes};
use crate::limits::REQUEST_DATA_BYTES_MAX;
use crate::nbd::wire::{
    BASE_ALLOCATION, CHUNK_DONE, ChunkHeader, FIXED_NEWSTYLE, GREETING_MAGIC, Headers, NO_ZEROES,
    OPTION_MAGIC, RequestHeader, SIMPLE_REPLY_MAGIC, STATE_HOLE, STATE_ZERO, chunk, command,
    command_flag, option,
};
use crate::request::{Errno, Extent, Flags, Operation, Request};
use crate::units::ByteRange;

/// Why a client cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The connection failed or was closed.
    #[error("the connection to the server failed")]
    Io(#[from] io::Error),
    /// The server said what no server may.
    #[error("the server sent {found:#x} where {expected} was due")]
    Unexpected {
        /// What was due.
        expected: &'static str,
        /// What came.
        found: u64,
    },
    /// The server refused an option.
    #[error("the server refused option {option} with error {error:#x}: {message}")]
    Refused {
        /// The option's number.
        option: u32,
        /// The reply's number.
        error: u32,
        /// The server's words.
        message: String,
    },
    /// The server answered a request with an error.
    #[error("the server answered {0}")]
    Failed(Errno),
}

/// How a client and its server talk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Simple replies; no block status.
    Simple,
    /// Structured replies and `base:allocation`.
    Structured,
    /// Extended headers and `base:allocation`.
    Extended,
}

impl Dialect {
    /// What requests and replies begin with.
    pub(super) fn headers(self) -> Headers {
        match self {
            Dialect::Simple | Dialect::Structured => Headers::Compact,
            Dialect::Extended => Headers::Extended,
        }
    }

    /// The option that asks for it, where there is one.
    fn option(self) -> Option<u32> {
        match self {
            Dialect::Simple => None,
            Dialect::Structured => Some(option::STRUCTURED_REPLY),
            Dialect::Extended => Some(option::EXTENDED_HEADERS),
        }
    }
}

/// The answer to one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// From [`Client::send`].
    pub cookie: u64,
    /// Whether it worked.
    pub result: Result<(), Errno>,
    /// What was read.
    pub data: Vec<u8>,
    /// The answer to a block status.
    pub extents: Vec<Extent>,
}

/// A connection to an export, over any stream.
#[derive(Debug)]
pub struct Client<S: Read + Write> {
    stream: S,
    headers: Headers,
    size: u64,
    transmission_flags: u16,
    next_cookie: u64,
    /// Sent and not answered.
    pending: BTreeMap<u64, Request>,
}

impl<S: Read + Write> Client<S> {
    /// Chooses `export` over a stream that is connected to a server.
    pub fn connect(
        mut stream: S,
        export: &str,
        dialect: Dialect,
    ) -> Result<Client<S>, ClientError> {
        let mut greeting = [0; 18];
        stream.read_exact(&mut greeting)?;
        let mut greeting = greeting.as_slice();
        expect("the greeting", greeting.get_u64(), GREETING_MAGIC)?;
        expect("the option magic", greeting.get_u64(), OPTION_MAGIC)?;
        let flags = FIXED_NEWSTYLE | NO_ZEROES;
        expect("the handshake flags", greeting.get_u16().into(), flags.into())?;
        stream.write_all(&u32::from(flags).to_be_bytes())?;
        let mut name = Vec::new();
        put_string(&mut name, export);
        if let Some(option) = dialect.option() {
            haggle(&mut stream, option, &[])?;
            let mut contexts = name.clone();
            contexts.put_u32(1);
            put_string(&mut contexts, BASE_ALLOCATION);
            haggle(&mut stream, option::SET_META_CONTEXT, &contexts)?;
        }
        name.put_u16(0);
        let (size, transmission_flags) = haggle(&mut stream, option::GO, &name)?;
        let (headers, pending) = (dialect.headers(), BTreeMap::new());
        Ok(Client { stream, headers, size, transmission_flags, next_cookie: 0, pending })
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
        let announced = match (self.headers, request.operation) {
            (Headers::Extended, Operation::Write) => command_flag::PAYLOAD_LEN,
            _ => 0,
        };
        let header = RequestHeader {
            flags: wire_flags(request.flags) | announced,
            command: wire_command(request.operation),
            cookie,
            offset: request.range.offset,
            length: request.range.length,
        };
        let mut bytes = Vec::with_capacity(self.headers.request_bytes() + data.len());
        header.write(self.headers, &mut bytes);
        bytes.put_slice(data);
        self.stream.write_all(&bytes)?;
        self.pending.insert(cookie, *request);
        Ok(cookie)
    }

    /// Waits for the next answer, to whichever request.
    pub fn receive(&mut self) -> Result<Answer, ClientError> {
        let mut answer =
            Answer { cookie: 0, result: Ok(()), data: Vec::new(), extents: Vec::new() };
        loop {
            let magic = u32::from_be_bytes(self.read_array()?);
            // With extended headers there are no simple replies.
            if magic == SIMPLE_REPLY_MAGIC && self.headers == Headers::Compact {
                return self.simple_reply(answer);
            }
            expect("the magic of a reply", magic.into(), self.headers.chunk_magic().into())?;
            let header = self.chunk_header()?;
            answer.cookie = header.cookie;
            self.chunk(&header, &mut answer)?;
            if header.flags & CHUNK_DONE != 0 {
                self.pending.remove(&header.cookie);
                return Ok(answer);
            }
        }
    }

    /// Sends a request and waits for its answer; an error in the answer is an error here. Nothing else may
    /// be in flight.
    pub fn call(&mut self, request: &Request, data: &[u8]) -> Result<Answer, ClientError> {
        let cookie = self.send(request, data)?;
        let answer = self.receive()?;
        expect("the cookie of the request", answer.cookie, cookie)?;
        answer.result.map_err(ClientError::Failed)?;
        Ok(answer)
    }

    /// Reads.
    pub fn read(&mut self, range: ByteRange) -> Result<Vec<u8>, ClientError> {
        let request = Request { operation: Operation::Read, range, flags: Flags::NONE };
        Ok(self.call(&request, &[])?.data)
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
        let header = RequestHeader {
            flags: 0,
            command: command::DISCONNECT,
            cookie: self.next_cookie,
            offset: 0,
            length: 0,
        };
        let mut bytes = Vec::new();
        header.write(self.headers, &mut bytes);
        self.stream.write_all(&bytes)?;
        Ok(self.stream)
    }

    fn simple_reply(&mut self, mut answer: Answer) -> Result<Answer, ClientError> {
        let error = u32::from_be_bytes(self.read_array()?);
        answer.cookie = u64::from_be_bytes(self.read_array()?);
        let request = self.asked(answer.cookie)?;
        self.pending.remove(&answer.cookie);
        if error != 0 {
            answer.result = Err(errno(error));
        } else if request.operation == Operation::Read {
            answer.data = self.read_bytes(request.range.length)?;
        }
        Ok(answer)
    }

    /// Reads the header of a chunk behind its magic.
    fn chunk_header(&mut self) -> Result<ChunkHeader, ClientError> {
        let mut bytes = [0; ChunkHeader::BYTES_MAX];
        let bytes = &mut bytes[..self.headers.chunk_bytes() - 4];
        self.stream.read_exact(bytes)?;
        ChunkHeader::read_after_magic(self.headers, bytes).map_err(|found| {
            let expected = "a length within the limits";
            ClientError::Unexpected { expected, found }
        })
    }

    /// Reads the payload of a chunk into `answer`.
    fn chunk(&mut self, header: &ChunkHeader, answer: &mut Answer) -> Result<(), ClientError> {
        let request = self.asked(header.cookie)?;
        if self.headers == Headers::Extended {
            expect("the offset of the request", header.offset, request.range.offset)?;
        }
        let payload = self.read_bytes(header.length.into())?;
        let mut payload = payload.as_slice();
        let expected = "a chunk of the announced kind";
        let unexpected = ClientError::Unexpected { expected, found: header.kind.into() };
        match header.kind {
            chunk::NONE if payload.is_empty() => {}
            chunk::OFFSET_DATA if payload.len() > 8 => {
                let offset = payload.get_u64();
                place(&request, offset, payload, &mut answer.data).ok_or(unexpected)?;
            }
            chunk::OFFSET_HOLE if payload.len() == 12 => {
                let (offset, length) = (payload.get_u64(), payload.get_u32());
                let within = ByteRange::new(offset, length.into()).end() <= request.range.end();
                let zeroes = vec![0; if within { length as usize } else { 0 }];
                place(&request, offset, &zeroes, &mut answer.data).ok_or(unexpected)?;
            }
            chunk::BLOCK_STATUS if self.headers == Headers::Compact && payload.len() % 8 == 4 => {
                payload.advance(4);
                answer.extents = payload.chunks_exact(8).map(extent).collect();
            }
            chunk::BLOCK_STATUS_EXT
                if self.headers == Headers::Extended && payload.len() % 16 == 8 =>
            {
                payload.advance(4);
                let count = payload.get_u32() as usize;
                answer.extents = payload.chunks_exact(16).map(extent_ext).collect();
                expect(
                    "as many extents as are announced",
                    answer.extents.len() as u64,
                    count as u64,
                )?;
            }
            kind if kind & chunk::ERROR_BIT != 0 && payload.len() >= 6 => {
                answer.result = Err(errno(payload.get_u32()));
            }
            _ => return Err(unexpected),
        }
        Ok(())
    }

    fn asked(&self, cookie: u64) -> Result<Request, ClientError> {
        let expected = "the cookie of a request in flight";
        self.pending
            .get(&cookie)
            .copied()
            .ok_or(ClientError::Unexpected { expected, found: cookie })
    }

    fn read_array<const N: usize>(&mut self) -> Result<[u8; N], ClientError> {
        let mut bytes = [0; N];
        self.stream.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn read_bytes(&mut self, length: u64) -> Result<Vec<u8>, ClientError> {
        read_bytes(&mut self.stream, length, u64::from(REQUEST_DATA_BYTES_MAX) + 8)
    }
}

/// Puts a piece of a read where it belongs; `None` if it does not belong to the request.
fn place(request: &Request, offset: u64, piece: &[u8], data: &mut Vec<u8>) -> Option<()> {
    let asked = request.range;
    let start = usize::try_from(offset.checked_sub(asked.offset)?).ok()?;
    let end = start.checked_add(piece.len())?;
    if end as u64 > asked.length {
        return None;
    }
    data.resize(data.len().max(end), 0);
    data[start..end].copy_from_slice(piece);
    Some(())
}

fn errno(number: u32) -> Errno {
    u16::try_from(number).map_or(Errno::EINVAL, Errno)
}

fn extent(mut descriptor: &[u8]) -> Extent {
    let (length, state) = (descriptor.get_u32(), descriptor.get_u32());
    Extent { length: length.into(), hole: state & STATE_HOLE != 0, zero: state & STATE_ZERO != 0 }
}

/// The same with 64 bits each.
fn extent_ext(mut descriptor: &[u8]) -> Extent {
    let (length, state) = (descriptor.get_u64(), descriptor.get_u64());
    let has = |bit: u32| state & u64::from(bit) != 0;
    Extent { length, hole: has(STATE_HOLE), zero: has(STATE_ZERO) }
}

/// The command of a request.
pub(super) fn wire_command(operation: Operation) -> u16 {
    match operation {
        Operation::Read => command::READ,
        Operation::Write => command::WRITE,
        Operation::WriteZeroes => command::WRITE_ZEROES,
        Operation::Discard => command::TRIM,
        Operation::Flush => command::FLUSH,
        Operation::BlockStatus => command::BLOCK_STATUS,
        Operation::Cache => command::CACHE,
    }
}

/// The flags of a request, as the protocol numbers them.
pub(super) fn wire_flags(flags: Flags) -> u16 {
    let bits = [
        (Flags::FUA, command_flag::FUA),
        (Flags::NO_HOLE, command_flag::NO_HOLE),
        (Flags::FAST_ZERO, command_flag::FAST_ZERO),
        (Flags::REQ_ONE, command_flag::REQ_ONE),
    ];
    bits.into_iter().filter(|(flag, _)| flags.contains(*flag)).fold(0, |set, (_, bit)| set | bit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nbd::wire::write_simple_reply;

    /// A server that has said all that it ever will, and hears nothing.
    struct Said(std::io::Cursor<Vec<u8>>);

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

    fn chunk(kind: u16, offset: u64, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap();
        let mut bytes = Vec::new();
        ChunkHeader { flags: CHUNK_DONE, kind, cookie: 0, offset, length }
            .write(Headers::Extended, &mut bytes);
        bytes.extend(payload);
        bytes
    }

    /// What a client with extended headers makes of `said` in answer to `operation` on 8 GiB at [`OFFSET`].
    fn answer(operation: Operation, said: &[u8]) -> Result<Answer, ClientError> {
        let mut client = Client {
            stream: Said(std::io::Cursor::new(said.to_vec())),
            headers: Headers::Extended,
            size: 1 << 40,
            transmission_flags: 0,
            next_cookie: 0,
            pending: BTreeMap::new(),
        };
        let range = ByteRange::new(OFFSET, 8 << 30);
        client.send(&Request { operation, range, flags: Flags::NONE }, &[]).unwrap();
        client.receive()
    }

    fn refuses(operation: Operation, said: &[u8], due: &str, wrong: u64) {
        match answer(operation, said) {
            Err(ClientError::Unexpected { expected, found }) => {
                assert_eq!((expected, found), (due, wrong));
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn extended_answers_are_understood_and_every_truncation_is_noticed() {
        let extents = b"\0\0\0\x01\0\0\0\x01\0\0\0\x02\0\0\0\0\0\0\0\0\0\0\0\x03";
        let extent = Extent { length: 8 << 30, hole: true, zero: true };
        let plain = Answer { cookie: 0, result: Ok(()), data: Vec::new(), extents: Vec::new() };
        let cases = [
            (Operation::Discard, chunk(chunk::NONE, OFFSET, b""), plain.clone()),
            (
                Operation::Discard,
                chunk(chunk::ERROR, OFFSET, b"\0\0\0\x05\0\0"),
                Answer { result: Err(Errno::EIO), ..plain.clone() },
            ),
            (
                Operation::Read,
                chunk(chunk::OFFSET_DATA, OFFSET, b"\0\0\0\0\0\0\x10\0data"),
                Answer { data: b"data".to_vec(), ..plain.clone() },
            ),
            (
                Operation::BlockStatus,
                chunk(chunk::BLOCK_STATUS_EXT, OFFSET, extents),
                Answer { extents: vec![extent], ..plain },
            ),
        ];
        for (operation, said, expected) in cases {
            for end in 0..said.len() {
                let cut = answer(operation, &said[..end]);
                assert!(matches!(cut, Err(ClientError::Io(_))), "cut at byte {end}: {cut:?}");
            }
            assert_eq!(answer(operation, &said).unwrap(), expected);
        }
    }

    #[test]
    fn what_no_server_may_say_with_extended_headers_is_refused() {
        let discard = Operation::Discard;
        let mut simple = Vec::new();
        write_simple_reply(&mut simple, 0, 0);
        refuses(discard, &simple, "the magic of a reply", 0x6744_6698);
        let mut structured = Vec::new();
        let header = ChunkHeader { flags: CHUNK_DONE, kind: 0, cookie: 0, offset: 0, length: 0 };
        header.write(Headers::Compact, &mut structured);
        refuses(discard, &structured, "the magic of a reply", 0x668e_33ef);
        refuses(discard, &chunk(chunk::NONE, 7, b""), "the offset of the request", 7);

        let mut long = chunk(chunk::NONE, OFFSET, b"");
        long[24..].copy_from_slice(&(1_u64 << 40).to_be_bytes());
        refuses(discard, &long, "a length within the limits", 1 << 40);
        long[24..].copy_from_slice(&(1_u64 << 30).to_be_bytes());
        refuses(discard, &long, "a length within the limits", 1 << 30);

        let status = Operation::BlockStatus;
        let kind = "a chunk of the announced kind";
        let compact = b"\0\0\0\x01\0\0\x10\0\0\0\0\x03";
        refuses(status, &chunk(chunk::BLOCK_STATUS, OFFSET, compact), kind, 5);
        refuses(status, &chunk(chunk::BLOCK_STATUS_EXT, OFFSET, compact), kind, 6);
        let two = [&b"\0\0\0\x01\0\0\0\x02"[..], &[0; 16]].concat();
        let one = chunk(chunk::BLOCK_STATUS_EXT, OFFSET, &two);
        refuses(status, &one, "as many extents as are announced", 1);
    }
}

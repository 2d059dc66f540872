//! Targets that take one side of an NBD connection, and the one that takes what people type.
//!
//! Invariant: a failed assertion here is a bug of ours, never of the input.

use std::io::{self, Read, Write};

use blkreplay_core::nbd::conversation::{from_greeting, from_requests};
use blkreplay_core::nbd::wire::{Headers, RequestHeader, command, command_flag};
use blkreplay_core::nbd::{Client, Dialect};
use blkreplay_core::position::Position;
use blkreplay_core::query::{Filter, rewritten};
use blkreplay_core::request::{Flags, Operation, Request};
use blkreplay_core::units::ByteRange;

/// Answers are at most so many times longer than what was said, but for the data of reads.
const ANSWER_BYTES_PER_OPTION: usize = 8192;

/// A server's side: the whole of what a client says, where TLS is required and where there is none.
pub(crate) fn server(input: &[u8]) {
    for required in [false, true] {
        let told = from_greeting(input, required);
        if !told.chosen {
            let options = told.options + 2;
            assert!(told.answered_bytes <= options * ANSWER_BYTES_PER_OPTION, "{told:?}");
        }
    }
}

/// A server's side: requests, with and without structured replies, and with extended headers.
pub(crate) fn requests(input: &[u8]) {
    let [simple, structured, extended] = [Dialect::Simple, Dialect::Structured, Dialect::Extended]
        .map(|dialect| from_requests(input, dialect));
    assert!(
        extended.requests == 0 || structured.requests == 0,
        "one begins with another magic than the other: {extended:?} {structured:?}"
    );
    // A flag that is refused in one and costs a long answer in the other may end it earlier.
    assert!(structured.requests <= simple.requests, "{structured:?} {simple:?}");
}

/// A client's side: the whole of what a server says.
pub(crate) fn client(input: &[u8]) {
    let (first, rest) = input.split_first().unwrap_or((&0, &[]));
    let dialect = match first % 3 {
        0 => Dialect::Simple,
        1 => Dialect::Structured,
        _ => Dialect::Extended,
    };
    let Ok(mut client) = Client::connect(Said(rest), "", dialect) else { return };
    for (operation, _) in Operation::NAMES {
        let length = if operation == Operation::Flush { 0 } else { 4096 };
        let range = ByteRange::new(0, length);
        let data = vec![7; if operation == Operation::Write { 4096 } else { 0 }];
        let request = Request { operation, range, flags: Flags::NONE };
        client.send(&request, &data).expect("what is said goes nowhere");
    }
    while let Ok(answer) = client.receive() {
        assert!(answer.data.len() <= 4096, "more than was asked for: {}", answer.data.len());
    }
}

/// A server that has said all that it ever will, and hears nothing.
struct Said<'a>(&'a [u8]);

impl Read for Said<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Said<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A filter as it is typed: what is none is told of with a place in it, and what is one has its terms in it.
pub(crate) fn filter(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    match Filter::parse(text, &["disk".to_owned()]) {
        Ok(filter) => {
            assert!(filter.terms().all(|term| !term.is_empty() && text.contains(term)));
            let again = rewritten(text).expect("what is a filter parses");
            assert_eq!(rewritten(&again).as_ref(), Ok(&again), "{text:?}");
        }
        Err(error) => {
            assert!(text.get(error.place.clone()).is_some(), "{error:?}");
            assert!(error.shown(text).contains("filter:1:"), "{error:?}");
        }
    }
}

pub(crate) fn filter_seeds() -> Vec<Vec<u8>> {
    [
        "op == write && lba in 0..2048 && latency > 5ms",
        "not done or err == EIO",
        "off overlaps 1M..=2M and len % 4kB != 0x1ff",
        "id not in {1, 5, 10..20} || has(nbd.time)",
        "-(t + 1.5s) * 2 / lat >= 3 & 1",
        "dev in {disk} and !(fua)",
        "payload[0:4] == 53:ef:00:01 && payload ~ \"(?i)a.\\\\xef\"",
        "t >= @'a - 1s and t < @\"b c\" or note matches \"^[a-z]+\"",
        "lat > 50% * p99(lat where read) && count(flush) > 10",
        "hash(payload[4:]) == \"xxh3:9f2c\" && crc32(payload[:9]) != max(0x1f, payload[5])",
    ]
    .map(|text| text.as_bytes().to_vec())
    .into()
}

/// A position as it is typed: what is one prints as something that means the same.
pub(crate) fn position(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    match text.parse::<Position>() {
        Ok(position) => assert_eq!(position.to_string().parse(), Ok(position), "{text:?}"),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

pub(crate) fn position_seeds() -> Vec<Vec<u8>> {
    [
        "#123",
        "event:18446744073709551615",
        "1.5s",
        "250us",
        "flush:3",
        "flush:a/b/3",
        "mark:x y",
        "end",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}

/// An option of the handshake.
fn option(number: u32, data: &[u8]) -> Vec<u8> {
    let length = u32::try_from(data.len()).expect("options are short");
    [&b"IHAVEOPT"[..], &number.to_be_bytes(), &length.to_be_bytes(), data].concat()
}

/// One request of each kind, in either form.
pub(crate) fn request_seeds() -> Vec<Vec<u8>> {
    vec![requests_in(Headers::Compact), requests_in(Headers::Extended)]
}

fn requests_in(headers: Headers) -> Vec<u8> {
    let mut all = Vec::new();
    let commands = [
        (command::READ, 512, 0),
        (command::WRITE, 16, 16),
        (command::FLUSH, 0, 0),
        (command::TRIM, 4096, 0),
        (command::CACHE, 1 << 19, 0),
        (command::WRITE_ZEROES, 1 << 20, 0),
        (command::BLOCK_STATUS, 1 << 20, 0),
        (command::READ, 65_536, 0),
        (command::WRITE, 5000, 5000),
        (99, 0, 0),
        // Data that these do not take; without extended headers they are no part of it.
        (command::BLOCK_STATUS, 12, if headers == Headers::Extended { 12 } else { 0 }),
        (command::TRIM, 1, if headers == Headers::Extended { 1 } else { 0 }),
        (command::DISCONNECT, 0, 0),
    ];
    for (cookie, (command, length, data)) in (0..).zip(commands) {
        let is_announced = headers == Headers::Extended && data > 0;
        let flags = if is_announced { command_flag::PAYLOAD_LEN } else { 0 };
        RequestHeader { flags, command, cookie, offset: 4096, length }.write(headers, &mut all);
        all.extend(vec![5; data]);
    }
    all
}

/// Handshakes that end in requests.
pub(crate) fn server_seeds() -> Vec<Vec<u8>> {
    let go = option(7, b"\0\0\0\0\0\x03\0\0\0\x01\0\x03");
    let contexts = b"\0\0\0\0\0\0\0\x02\0\0\0\x0fbase:allocation\0\0\0\x05base:";
    let haggle = [option(3, b""), option(5, b""), option(6, b"\0\0\0\x010\0\0"), option(8, b"")];
    let haggle = [haggle.concat(), option(9, contexts), option(10, &contexts[..27])].concat();
    let flags = 3_u32.to_be_bytes().to_vec();
    let requests = requests_in(Headers::Compact);
    let extended = requests_in(Headers::Extended);
    let context = option(10, &contexts[..27]);
    vec![
        [&flags[..], &option(8, b""), &option(11, b""), &context, &go, &extended].concat(),
        [&flags[..], &option(11, b""), &option(8, b""), &option(1, b"1")].concat(),
        [&flags[..], &haggle, &go, &requests].concat(),
        [&flags[..], &option(1, b"1"), &requests].concat(),
        [&[0, 0, 0, 1][..], &option(11, b""), &option(2, b"")].concat(),
    ]
}

/// What a server says to the client of [`client`].
pub(crate) fn client_seeds() -> Vec<Vec<u8>> {
    let reply = |option: u32, kind: u32, data: &[u8]| {
        let length = u32::try_from(data.len()).expect("answers are short");
        let magic = 0x0003_e889_0455_65a9_u64.to_be_bytes();
        let numbers = [option, kind, length].map(u32::to_be_bytes).concat();
        [&magic[..], &numbers, data].concat()
    };
    let greeting = b"NBDMAGICIHAVEOPT\0\x03";
    let info = [&[0, 0][..], &(1_u64 << 30).to_be_bytes(), &[0x0d, 0xed]].concat();
    let go = [reply(7, 3, &info), reply(7, 1, b"")].concat();
    let simple = |cookie: u64, error: u32| {
        [&0x6744_6698_u32.to_be_bytes()[..], &error.to_be_bytes(), &cookie.to_be_bytes()].concat()
    };
    let chunk = |flags: u16, kind: u16, cookie: u64, data: &[u8]| {
        let length = u32::try_from(data.len()).expect("answers are short");
        let head = [&flags.to_be_bytes()[..], &kind.to_be_bytes(), &cookie.to_be_bytes()].concat();
        [&0x668e_33ef_u32.to_be_bytes()[..], &head, &length.to_be_bytes(), data].concat()
    };
    let data = [&[0; 8][..], &[7; 2048]].concat();
    let hole = b"\0\0\0\0\0\0\x08\0\0\0\x08\0";
    let extents = b"\0\0\0\x01\0\0\x10\0\0\0\0\x03";
    let answers = [simple(1, 0), simple(2, 22), simple(3, 0), simple(4, 0), simple(6, 5)].concat();
    let context = b"\0\0\0\x01base:allocation";
    let haggled = [reply(8, 1, b""), reply(10, 4, context), reply(10, 1, b"")].concat();
    let chunks = [
        chunk(0, 1, 0, &data),
        chunk(0, 2, 0, hole),
        chunk(1, 0, 0, b""),
        chunk(1, 5, 5, extents),
        chunk(1, 0x8001, 6, b"\0\0\0\x05\0\0"),
    ];
    let read = [simple(0, 0), vec![7; 4096]].concat();
    let extended = |flags: u16, kind: u16, cookie: u64, data: &[u8]| {
        let head = [&flags.to_be_bytes()[..], &kind.to_be_bytes(), &cookie.to_be_bytes()].concat();
        let length = (data.len() as u64).to_be_bytes();
        [&0x6e8a_278c_u32.to_be_bytes()[..], &head, &[0; 8], &length, data].concat()
    };
    let agreed = [reply(11, 1, b""), reply(10, 4, context), reply(10, 1, b"")].concat();
    let long_extents = b"\0\0\0\x01\0\0\0\x01\0\0\0\0\0\0\x10\0\0\0\0\0\0\0\0\x03";
    let extended = [
        extended(0, 1, 0, &data),
        extended(0, 2, 0, hole),
        extended(1, 0, 0, b""),
        extended(1, 0, 1, b""),
        extended(1, 6, 5, long_extents),
        extended(1, 0x8001, 6, b"\0\0\0\x05\0\0"),
    ];
    vec![
        [&[2][..], greeting, &agreed, &go, &extended.concat()].concat(),
        [&[0][..], greeting, &go, &answers, &read].concat(),
        [&[1][..], greeting, &haggled, &go, &answers, &chunks.concat()].concat(),
        [&[0][..], greeting, &reply(7, 0x8000_0006, b"no such export")].concat(),
    ]
}

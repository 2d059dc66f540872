//! The client's side of a handshake with a server that may be anything: a stream comes in, what is agreed on goes out, or
//! why nothing could be.
//!
//! Fixed newstyle (proto.md, "Fixed newstyle negotiation"), with `GO`, or `EXPORT_NAME` for servers that know no other.
//! What the server refuses and can be done without is done without: of the dialects, the best that both know is spoken.
//! Under TLS it comes in two parts, of which the first ends with `STARTTLS`, and the second is spoken on another stream. It
//! reads what it is given in order and knows no clock: its stream ends in time. Invariants: memory is bounded whatever the
//! server says; nothing is read that was not asked for, so what comes before TLS is never taken for something behind it.

use std::io::{self, Read, Write};

use bytes::{Buf, BufMut};

use crate::limits::{NBD_LISTED_MAX, NBD_OPTION_BYTES_MAX};
use crate::nbd::asking::Dialect;
use crate::nbd::wire::{
    BASE_ALLOCATION, EXPORT_NAME_ZEROES, FIXED_NEWSTYLE, GREETING_MAGIC, NO_ZEROES, OPTION_MAGIC,
    OPTION_REPLY_MAGIC, info, option, option_reply,
};

/// "Newstyle negotiation": what an oldstyle server says where others say `IHAVEOPT`.
const OLDSTYLE_MAGIC: u64 = 0x0000_4202_8186_1253;

/// "Option reply types": TLS has to come first.
const ERR_TLS_REQD: u32 = (1 << 31) + 5;

/// Replies to one option that are read.
const REPLIES_MAX: usize = 4 * NBD_LISTED_MAX;

/// What a server said of an export, and what was agreed on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Terms {
    /// Bytes.
    pub(super) size: u64,
    /// The transmission flags.
    pub(super) flags: u16,
    /// Smallest, preferred and largest block, in bytes, if it told.
    pub(super) block_sizes: Option<[u32; 3]>,
    /// How it talks.
    pub(super) dialect: Dialect,
    /// The number of `base:allocation`, if it has that.
    pub(super) allocation: Option<u32>,
}

/// Why there is no export to use.
#[derive(Debug, thiserror::Error)]
pub enum NegotiationError {
    /// The connection failed, or took too long.
    #[error("the connection failed")]
    Io(#[source] io::Error),
    /// The server ended the connection before an export was chosen.
    #[error("the server hung up")]
    HungUp,
    /// Whatever it is, it is no server that can be talked to.
    #[error("it is no NBD server: it sent {found:#x} where {due} was due")]
    Unexpected {
        /// What was due.
        due: &'static str,
        /// What came.
        found: u64,
    },
    /// It can only do what was given up long ago.
    #[error("it speaks only the oldstyle handshake, which is not spoken here")]
    Oldstyle,
    /// It wants to be talked to in TLS.
    #[error("it demands TLS")]
    TlsRequired,
    /// It does not talk TLS.
    #[error("it does not talk TLS: it refuses it with error {error:#x}{}", Words(message))]
    NoTls {
        /// The reply's number.
        error: u32,
        /// The server's words.
        message: String,
    },
    /// It does not know the export. A server need not tell what others it has.
    #[error("it has no export {wanted:?}{}", Listed(listed))]
    NoExport {
        /// What was asked for.
        wanted: String,
        /// What it has.
        listed: Vec<String>,
    },
    /// It has it, and does not let us use it.
    #[error("it refuses the export with error {error:#x}{}", Words(message))]
    Refused {
        /// The reply's number.
        error: u32,
        /// The server's words.
        message: String,
    },
}

impl From<io::Error> for NegotiationError {
    fn from(error: io::Error) -> NegotiationError {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => NegotiationError::HungUp,
            _ => NegotiationError::Io(error),
        }
    }
}

/// `; it has "a" and "b"`.
struct Listed<'a>(&'a [String]);

impl std::fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const SHOWN: usize = 16;
        if self.0.is_empty() {
            return Ok(());
        }
        let names: Vec<String> =
            self.0.iter().take(SHOWN).map(|name| format!("{name:?}")).collect();
        let more = if self.0.len() > SHOWN { " and more" } else { "" };
        write!(f, "; it has {}{more}", names.join(", "))
    }
}

/// What a server says, without what could upset a terminal.
struct Words<'a>(&'a str);

impl std::fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, ": {}", self.0.escape_debug()) }
    }
}

/// How an option was answered: its replies up to the last one, which says how it went.
struct Answered {
    replies: Vec<(u32, Vec<u8>)>,
    /// `None` if it was acknowledged; the number of an error and the server's words if not.
    error: Option<(u32, String)>,
}

/// A conversation under way.
struct Talk<'a, S> {
    stream: &'a mut S,
}

/// What is known of a server that was greeted: whether it leaves out zeroes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Greeted {
    no_zeroes: bool,
}

/// Agrees on `export` with the server at the other end of `stream`, in no better dialect than the `best`.
pub(super) fn negotiate(
    stream: &mut (impl Read + Write),
    export: &str,
    best: Dialect,
) -> Result<Terms, NegotiationError> {
    let greeted = Talk { stream }.greet()?;
    choose(stream, greeted, export, best)
}

/// Greets the server and agrees with it that TLS is next on this stream.
pub(super) fn start_tls(stream: &mut (impl Read + Write)) -> Result<Greeted, NegotiationError> {
    let mut talk = Talk { stream };
    let greeted = talk.greet()?;
    match talk.ask(option::STARTTLS, &[])?.error {
        None => Ok(greeted),
        Some((error, message)) => Err(NegotiationError::NoTls { error, message }),
    }
}

/// Agrees on `export` with a server that was greeted, on this stream or before TLS.
pub(super) fn choose(
    stream: &mut (impl Read + Write),
    greeted: Greeted,
    export: &str,
    best: Dialect,
) -> Result<Terms, NegotiationError> {
    let mut talk = Talk { stream };
    let mut terms = Terms { dialect: talk.dialect(best)?, ..Terms::default() };
    if terms.dialect != Dialect::Simple {
        terms.allocation = talk.allocation(export)?;
    }
    let mut data = Vec::new();
    put_string(&mut data, export);
    data.put_u16(1);
    data.put_u16(info::BLOCK_SIZE);
    let answered = talk.ask(option::GO, &data)?;
    match answered.error {
        None => {
            for (_, data) in answered.replies.iter().filter(|(kind, _)| *kind == option_reply::INFO)
            {
                terms.learn(data);
            }
            match terms.flags {
                0 => Err(NegotiationError::Unexpected { due: "the size of the export", found: 0 }),
                _ => Ok(terms),
            }
        }
        Some((option_reply::ERR_UNSUP, _)) => talk
            .export_name(export, greeted.no_zeroes)
            .map(|(size, flags)| Terms { size, flags, ..terms }),
        Some((option_reply::ERR_UNKNOWN, _)) => {
            Err(NegotiationError::NoExport { wanted: export.to_owned(), listed: talk.listed() })
        }
        Some((error, message)) => Err(NegotiationError::Refused { error, message }),
    }
}

impl Terms {
    /// Whether both are of one export as far as it is described; its numbers are those of a connection.
    pub(super) fn say_the_same_as(&self, other: &Terms) -> bool {
        let described =
            |terms: &Terms| Terms { allocation: terms.allocation.map(|_| 0), ..terms.clone() };
        described(self) == described(other)
    }

    /// Takes in one piece of information about the export ("`NBD_REP_INFO`").
    fn learn(&mut self, mut data: &[u8]) {
        match (data.try_get_u16(), data.len()) {
            (Ok(info::EXPORT), 10) => {
                self.size = data.get_u64();
                self.flags = data.get_u16();
            }
            (Ok(info::BLOCK_SIZE), 12) => {
                self.block_sizes = Some([data.get_u32(), data.get_u32(), data.get_u32()]);
            }
            _ => {}
        }
    }
}

impl<S: Read + Write> Talk<'_, S> {
    /// Greets and is greeted.
    fn greet(&mut self) -> Result<Greeted, NegotiationError> {
        expect("the greeting", u64::from_be_bytes(self.read_array()?), GREETING_MAGIC)?;
        let magic = u64::from_be_bytes(self.read_array()?);
        if magic == OLDSTYLE_MAGIC {
            return Err(NegotiationError::Oldstyle);
        }
        expect("the option magic", magic, OPTION_MAGIC)?;
        let offered = u16::from_be_bytes(self.read_array()?);
        if offered & FIXED_NEWSTYLE == 0 {
            let due = "the flag of the fixed newstyle handshake";
            return Err(NegotiationError::Unexpected { due, found: offered.into() });
        }
        let flags = offered & (FIXED_NEWSTYLE | NO_ZEROES);
        self.stream.write_all(&u32::from(flags).to_be_bytes())?;
        Ok(Greeted { no_zeroes: flags & NO_ZEROES != 0 })
    }

    /// The best dialect that the server agrees to, up to this one.
    fn dialect(&mut self, best: Dialect) -> Result<Dialect, NegotiationError> {
        let (extended, structured) = (option::EXTENDED_HEADERS, option::STRUCTURED_REPLY);
        for (dialect, option) in [(Dialect::Extended, extended), (Dialect::Structured, structured)]
        {
            if dialect <= best && self.agrees(option)? {
                return Ok(dialect);
            }
        }
        Ok(Dialect::Simple)
    }

    /// Whether the server does what `option` asks for.
    fn agrees(&mut self, option: u32) -> Result<bool, NegotiationError> {
        Ok(self.ask(option, &[])?.error.is_none())
    }

    /// The number that the server gives to `base:allocation` of `export`, if it has that.
    fn allocation(&mut self, export: &str) -> Result<Option<u32>, NegotiationError> {
        let mut data = Vec::new();
        put_string(&mut data, export);
        data.put_u32(1);
        put_string(&mut data, BASE_ALLOCATION);
        let answered = self.ask(option::SET_META_CONTEXT, &data)?;
        if answered.error.is_some() {
            return Ok(None);
        }
        let mut contexts = answered.replies.iter().filter_map(|(kind, data)| {
            let (number, name) = data.split_first_chunk()?;
            let is_ours = *kind == option_reply::META_CONTEXT && name == BASE_ALLOCATION.as_bytes();
            is_ours.then(|| u32::from_be_bytes(*number))
        });
        Ok(contexts.next())
    }

    /// Chooses the export as it was done before `GO`, and is told its size and flags; a server that does not have it
    /// hangs up.
    fn export_name(
        &mut self,
        export: &str,
        no_zeroes: bool,
    ) -> Result<(u64, u16), NegotiationError> {
        self.send(option::EXPORT_NAME, export.as_bytes())?;
        let size = match self.read_array() {
            Ok(size) => u64::from_be_bytes(size),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                let wanted = export.to_owned();
                return Err(NegotiationError::NoExport { wanted, listed: Vec::new() });
            }
            Err(error) => return Err(error.into()),
        };
        let flags = u16::from_be_bytes(self.read_array()?);
        if !no_zeroes {
            self.read_array::<EXPORT_NAME_ZEROES>()?;
        }
        Ok((size, flags))
    }

    /// The exports that the server tells of; none if it does not tell.
    fn listed(&mut self) -> Vec<String> {
        let Ok(answered) = self.ask(option::LIST, &[]) else { return Vec::new() };
        let names = answered.replies.iter().filter_map(|(kind, data)| {
            let (length, rest) = data.split_first_chunk()?;
            let name = rest.get(..usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
            (*kind == option_reply::SERVER).then(|| String::from_utf8_lossy(name).into_owned())
        });
        names.take(NBD_LISTED_MAX).collect()
    }

    fn send(&mut self, option: u32, data: &[u8]) -> io::Result<()> {
        let mut bytes = Vec::new();
        bytes.put_u64(OPTION_MAGIC);
        bytes.put_u32(option);
        bytes.put_u32(u32::try_from(data.len()).expect("names are short"));
        bytes.put_slice(data);
        self.stream.write_all(&bytes)
    }

    /// Sends an option and reads its replies to the last.
    fn ask(&mut self, option: u32, data: &[u8]) -> Result<Answered, NegotiationError> {
        self.send(option, data)?;
        let (mut replies, mut bytes) = (Vec::new(), 0);
        loop {
            let magic = u64::from_be_bytes(self.read_array()?);
            expect("the magic of an option reply", magic, OPTION_REPLY_MAGIC)?;
            let answered = u32::from_be_bytes(self.read_array()?);
            expect("the option that was sent", answered.into(), option.into())?;
            let kind = u32::from_be_bytes(self.read_array()?);
            let length = u32::from_be_bytes(self.read_array()?);
            bytes += length as usize;
            if bytes > NBD_OPTION_BYTES_MAX || replies.len() >= REPLIES_MAX {
                let due = "a shorter answer to an option";
                return Err(NegotiationError::Unexpected { due, found: bytes as u64 });
            }
            let mut data = vec![0; length as usize];
            self.stream.read_exact(&mut data)?;
            match kind {
                option_reply::ACK => return Ok(Answered { replies, error: None }),
                ERR_TLS_REQD => return Err(NegotiationError::TlsRequired),
                error if error >> 31 == 1 => {
                    let message = String::from_utf8_lossy(&data).into_owned();
                    return Ok(Answered { replies, error: Some((error, message)) });
                }
                kind => replies.push((kind, data)),
            }
        }
    }

    fn read_array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.stream.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

fn expect(due: &'static str, found: u64, wanted: u64) -> Result<(), NegotiationError> {
    if found == wanted { Ok(()) } else { Err(NegotiationError::Unexpected { due, found }) }
}

fn put_string(out: &mut Vec<u8>, text: &str) {
    out.put_u32(u32::try_from(text.len()).expect("names are short"));
    out.put_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that says what it was given, whatever it hears.
    struct Said<'a> {
        says: &'a [u8],
        heard: Vec<u8>,
    }

    impl Read for Said<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.says.read(buffer)
        }
    }

    impl Write for Said<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.heard.extend(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn heard(says: &[u8]) -> Result<Terms, NegotiationError> {
        negotiate(&mut Said { says, heard: Vec::new() }, "disk", Dialect::Structured)
    }

    fn greeting(flags: u16) -> Vec<u8> {
        let mut bytes = b"NBDMAGICIHAVEOPT".to_vec();
        bytes.put_u16(flags);
        bytes
    }

    fn reply(option: u32, kind: u32, data: &[u8]) -> Vec<u8> {
        let mut bytes = OPTION_REPLY_MAGIC.to_be_bytes().to_vec();
        for number in [option, kind, u32::try_from(data.len()).unwrap()] {
            bytes.put_u32(number);
        }
        bytes.extend(data);
        bytes
    }

    fn refused(option: u32, kind: u32) -> Vec<u8> {
        reply(option, kind, b"no\x1b[2J")
    }

    /// Size 4096, the flags `HAS_FLAGS` and `FLUSH`.
    const SIZE: [u8; 10] = [0, 0, 0, 0, 0, 0, 16, 0, 0, 5];

    #[test]
    fn a_server_that_can_everything_is_asked_for_everything() {
        let context = [&7_u32.to_be_bytes()[..], b"base:allocation"].concat();
        let sizes = [0, 3, 0, 0, 2, 0, 0, 0, 16, 0, 2, 0, 0, 0];
        let says = [
            greeting(3),
            reply(option::STRUCTURED_REPLY, option_reply::ACK, &[]),
            reply(option::SET_META_CONTEXT, option_reply::META_CONTEXT, &context),
            reply(option::SET_META_CONTEXT, option_reply::ACK, &[]),
            reply(option::GO, option_reply::INFO, &[&[0, 0][..], &SIZE].concat()),
            reply(option::GO, option_reply::INFO, &sizes),
            reply(option::GO, option_reply::INFO, &[0, 2, b'd']),
            reply(option::GO, option_reply::ACK, &[]),
        ]
        .concat();
        let terms = Terms {
            size: 4096,
            flags: 5,
            block_sizes: Some([512, 4096, 32 << 20]),
            dialect: Dialect::Structured,
            allocation: Some(7),
        };
        assert_eq!(heard(&says).unwrap(), terms);
        for cut in 0..says.len() {
            let error = heard(&says[..cut]).unwrap_err();
            assert!(matches!(error, NegotiationError::HungUp), "{cut}: {error}");
        }
    }

    #[test]
    fn the_best_dialect_that_both_know_is_spoken() {
        let (extended, structured) = (option::EXTENDED_HEADERS, option::STRUCTURED_REPLY);
        let agreed = |option| reply(option, option_reply::ACK, &[]);
        let no = |option| refused(option, option_reply::ERR_UNSUP);
        let context = refused(option::SET_META_CONTEXT, option_reply::ERR_UNSUP);
        let go = [
            reply(option::GO, option_reply::INFO, &[&[0, 0][..], &SIZE].concat()),
            reply(option::GO, option_reply::ACK, &[]),
        ]
        .concat();
        for (best, answers, expected) in [
            (Dialect::Extended, vec![agreed(extended), context.clone()], Dialect::Extended),
            (
                Dialect::Extended,
                vec![no(extended), agreed(structured), context.clone()],
                Dialect::Structured,
            ),
            (Dialect::Extended, vec![no(extended), no(structured)], Dialect::Simple),
            (Dialect::Structured, vec![agreed(structured), context], Dialect::Structured),
            (Dialect::Simple, vec![], Dialect::Simple),
        ] {
            let says = [greeting(3), answers.concat(), go.clone()].concat();
            let mut server = Said { says: &says, heard: Vec::new() };
            assert_eq!(negotiate(&mut server, "disk", best).unwrap().dialect, expected);
            assert_eq!(server.says, b"", "all of it was due");
        }
    }

    #[test]
    fn the_number_of_a_context_is_not_the_exports() {
        let terms = |size, allocation| Terms { size, allocation, ..Terms::default() };
        assert!(terms(1, Some(7)).say_the_same_as(&terms(1, Some(8))));
        assert!(!terms(1, Some(7)).say_the_same_as(&terms(1, None)));
        assert!(!terms(1, None).say_the_same_as(&terms(2, None)));
    }

    #[test]
    fn a_server_of_long_ago_is_used_as_it_is() {
        for (flags, zeroes) in [(1, 124), (3, 0)] {
            let says = [
                greeting(flags),
                refused(option::STRUCTURED_REPLY, option_reply::ERR_UNSUP),
                refused(option::GO, option_reply::ERR_UNSUP),
                SIZE.to_vec(),
                vec![0; zeroes],
            ]
            .concat();
            let terms = heard(&says).unwrap();
            assert_eq!(terms, Terms { size: 4096, flags: 5, ..Terms::default() });
            let shorter = heard(&says[..says.len() - zeroes - 10]).unwrap_err();
            assert_eq!(shorter.to_string(), "it has no export \"disk\"");
        }
    }

    #[test]
    fn an_export_that_is_not_there_is_told_with_those_that_are() {
        let name = |name: &str| {
            let mut data = Vec::new();
            put_string(&mut data, name);
            reply(option::LIST, option_reply::SERVER, &data)
        };
        let says = [
            greeting(3),
            refused(option::STRUCTURED_REPLY, option_reply::ERR_UNSUP),
            refused(option::GO, option_reply::ERR_UNKNOWN),
            name("a"),
            name("b\x1b"),
            reply(option::LIST, option_reply::ACK, &[]),
        ]
        .concat();
        let error = heard(&says).unwrap_err().to_string();
        assert_eq!(error, "it has no export \"disk\"; it has \"a\", \"b\\u{1b}\"");
    }

    #[test]
    fn what_cannot_be_talked_to_is_told_by_what_it_is() {
        let go = |kind| {
            [
                greeting(3),
                refused(option::STRUCTURED_REPLY, option_reply::ERR_UNSUP),
                refused(option::GO, kind),
            ]
            .concat()
        };
        let oldstyle = [&b"NBDMAGIC"[..], &OLDSTYLE_MAGIC.to_be_bytes()].concat();
        let flood: Vec<u8> = (0..=REPLIES_MAX)
            .flat_map(|_| reply(option::STRUCTURED_REPLY, option_reply::SERVER, &[]))
            .collect();
        let long =
            [&reply(option::STRUCTURED_REPLY, 1, &[])[..16], &u32::MAX.to_be_bytes()].concat();
        let tls = refused(option::STRUCTURED_REPLY, ERR_TLS_REQD);
        let sizeless = [
            greeting(3),
            refused(option::STRUCTURED_REPLY, option_reply::ERR_UNSUP),
            reply(option::GO, option_reply::ACK, &[]),
        ];
        for (says, why) in [
            (b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(), "no NBD server: it sent 0x5353482d322e302d"),
            (oldstyle, "only the oldstyle"),
            (greeting(2), "the flag of the fixed newstyle handshake was due"),
            ([greeting(3), tls].concat(), "demands TLS"),
            (go(option_reply::ERR_POLICY), "with error 0x80000002: no\\u{1b}[2J"),
            ([greeting(3), flood].concat(), "a shorter answer"),
            ([greeting(3), long].concat(), "a shorter answer"),
            ([greeting(3), reply(99, 1, &[])].concat(), "the option that was sent"),
            (sizeless.concat(), "the size of the export"),
        ] {
            let error = heard(&says).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}

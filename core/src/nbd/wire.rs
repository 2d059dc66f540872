//! Numbers and fixed structures of the NBD protocol, as they are on the wire: all big-endian.
//!
//! Each group names its heading in proto.md (NetworkBlockDevice/nbd, `doc/proto.md`; that of extended headers is in
//! its branch `extension-ext-header`). Nothing here decides anything. Invariant: what is written reads back, whatever
//! the values.

use bytes::{Buf, BufMut};

/// "Newstyle negotiation": the first eight bytes of a server.
pub const GREETING_MAGIC: u64 = 0x4e42_444d_4147_4943;
/// "Newstyle negotiation": follows the greeting, and opens every option (`IHAVEOPT`).
pub const OPTION_MAGIC: u64 = 0x4948_4156_454f_5054;
/// "Fixed newstyle negotiation": opens every reply to an option.
pub const OPTION_REPLY_MAGIC: u64 = 0x0003_e889_0455_65a9;
/// "Request message".
pub const REQUEST_MAGIC: u32 = 0x2560_9513;
/// "Simple reply message".
pub const SIMPLE_REPLY_MAGIC: u32 = 0x6744_6698;
/// "Structured reply chunk message".
pub const CHUNK_MAGIC: u32 = 0x668e_33ef;
/// "Extended request message".
pub const EXTENDED_REQUEST_MAGIC: u32 = 0x21e4_1c71;
/// "Extended reply chunk message".
pub const EXTENDED_CHUNK_MAGIC: u32 = 0x6e8a_278c;

/// "Handshake flags": `FIXED_NEWSTYLE`, and the client flag of the same name.
pub const FIXED_NEWSTYLE: u16 = 1;
/// "Handshake flags": `NO_ZEROES`, and the client flag of the same name.
pub const NO_ZEROES: u16 = 2;

/// "Newstyle negotiation": the zeroes after the answer to `EXPORT_NAME`, unless both sides agree to none.
pub const EXPORT_NAME_ZEROES: usize = 124;

/// "Transmission flags".
pub mod transmission_flag {
    /// Always set.
    pub const HAS_FLAGS: u16 = 1;
    /// Requests that modify fail.
    pub const READ_ONLY: u16 = 1 << 1;
    /// Flush is offered.
    pub const FLUSH: u16 = 1 << 2;
    /// The FUA flag is offered.
    pub const FUA: u16 = 1 << 3;
    /// Trim is offered.
    pub const TRIM: u16 = 1 << 5;
    /// Write zeroes is offered, with `NO_HOLE`.
    pub const WRITE_ZEROES: u16 = 1 << 6;
    /// Reads may ask not to be fragmented; only with structured replies.
    pub const DF: u16 = 1 << 7;
    /// A flush on one connection covers what was done on all.
    pub const MULTI_CONN: u16 = 1 << 8;
    /// Cache is offered.
    pub const CACHE: u16 = 1 << 10;
    /// Write zeroes may ask to be fast or to fail.
    pub const FAST_ZERO: u16 = 1 << 11;
}

/// "Option types".
pub mod option {
    /// Choose an export, without a way to say no.
    pub const EXPORT_NAME: u32 = 1;
    /// End the negotiation.
    pub const ABORT: u32 = 2;
    /// List the exports.
    pub const LIST: u32 = 3;
    /// Go over to TLS.
    pub const STARTTLS: u32 = 5;
    /// Describe an export.
    pub const INFO: u32 = 6;
    /// Choose an export.
    pub const GO: u32 = 7;
    /// Use structured replies.
    pub const STRUCTURED_REPLY: u32 = 8;
    /// List meta contexts.
    pub const LIST_META_CONTEXT: u32 = 9;
    /// Select meta contexts.
    pub const SET_META_CONTEXT: u32 = 10;
    /// Use extended headers, in both directions.
    pub const EXTENDED_HEADERS: u32 = 11;
}

/// "Option reply types". Errors have bit 31 set.
pub mod option_reply {
    /// Done.
    pub const ACK: u32 = 1;
    /// One export of a list.
    pub const SERVER: u32 = 2;
    /// One aspect of an export.
    pub const INFO: u32 = 3;
    /// One meta context.
    pub const META_CONTEXT: u32 = 4;
    /// The option is unknown.
    pub const ERR_UNSUP: u32 = (1 << 31) + 1;
    /// The option is known and not allowed here.
    pub const ERR_POLICY: u32 = (1 << 31) + 2;
    /// The option is malformed.
    pub const ERR_INVALID: u32 = (1 << 31) + 3;
    /// TLS must come first.
    pub const ERR_TLS_REQD: u32 = (1 << 31) + 5;
    /// There is no such export.
    pub const ERR_UNKNOWN: u32 = (1 << 31) + 6;
    /// The option's data are too long.
    pub const ERR_TOO_BIG: u32 = (1 << 31) + 9;
    /// Only with extended headers; or they are in use, and cannot be given up.
    pub const ERR_EXT_HEADER_REQD: u32 = (1 << 31) + 10;
}

/// "Option reply types", `NBD_REP_INFO`: what an information reply is about.
pub mod info {
    /// Size and transmission flags.
    pub const EXPORT: u16 = 0;
    /// The export's own name.
    pub const NAME: u16 = 1;
    /// Text for people.
    pub const DESCRIPTION: u16 = 2;
    /// Block sizes.
    pub const BLOCK_SIZE: u16 = 3;
}

/// "Request types".
pub mod command {
    /// Read.
    pub const READ: u16 = 0;
    /// Write; its data follow the header.
    pub const WRITE: u16 = 1;
    /// The client goes.
    pub const DISCONNECT: u16 = 2;
    /// Flush.
    pub const FLUSH: u16 = 3;
    /// Trim, our discard.
    pub const TRIM: u16 = 4;
    /// Cache.
    pub const CACHE: u16 = 5;
    /// Write zeroes.
    pub const WRITE_ZEROES: u16 = 6;
    /// Block status.
    pub const BLOCK_STATUS: u16 = 7;
}

/// "Command flags".
pub mod command_flag {
    /// Force unit access; valid for all commands.
    pub const FUA: u16 = 1;
    /// Write zeroes must not make a hole.
    pub const NO_HOLE: u16 = 1 << 1;
    /// A read's data must come in one chunk.
    pub const DF: u16 = 1 << 2;
    /// Block status wants one extent.
    pub const REQ_ONE: u16 = 1 << 3;
    /// Write zeroes must be fast or fail.
    pub const FAST_ZERO: u16 = 1 << 4;
    /// The length is that of data behind the header; only in extended headers.
    pub const PAYLOAD_LEN: u16 = 1 << 5;
}

/// "Structured reply flags": the last chunk of a reply.
pub const CHUNK_DONE: u16 = 1;

/// "Structured reply types".
pub mod chunk {
    /// No content: all is well.
    pub const NONE: u16 = 0;
    /// Data at an offset.
    pub const OFFSET_DATA: u16 = 1;
    /// Zeroes at an offset.
    pub const OFFSET_HOLE: u16 = 2;
    /// Extents of one meta context.
    pub const BLOCK_STATUS: u16 = 5;
    /// The same with lengths and states of 64 bits; only with extended headers, and then always.
    pub const BLOCK_STATUS_EXT: u16 = 6;
    /// The request failed. All error chunks have this bit.
    pub const ERROR_BIT: u16 = 1 << 15;
    /// The request failed, nothing more is known.
    pub const ERROR: u16 = ERROR_BIT + 1;
}

/// The one meta context on offer.
pub const BASE_ALLOCATION: &str = "base:allocation";
/// The number by which its replies name it; ours to choose.
pub const BASE_ALLOCATION_ID: u32 = 1;
/// "`base:allocation` metadata context": nothing is allocated there.
pub const STATE_HOLE: u32 = 1;
/// "`base:allocation` metadata context": it reads as zeroes.
pub const STATE_ZERO: u32 = 2;

/// Which headers requests and replies have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Headers {
    /// Lengths of 32 bits.
    Compact,
    /// "Extended request message", "Extended reply chunk message": lengths of 64 bits, and no simple replies.
    Extended,
}

impl Headers {
    /// What a request begins with.
    pub const fn request_magic(self) -> u32 {
        match self {
            Headers::Compact => REQUEST_MAGIC,
            Headers::Extended => EXTENDED_REQUEST_MAGIC,
        }
    }

    /// Bytes of a request's header on the wire, with its magic.
    pub const fn request_bytes(self) -> usize {
        match self {
            Headers::Compact => 28,
            Headers::Extended => 32,
        }
    }

    /// What a chunk of a reply begins with.
    pub const fn chunk_magic(self) -> u32 {
        match self {
            Headers::Compact => CHUNK_MAGIC,
            Headers::Extended => EXTENDED_CHUNK_MAGIC,
        }
    }

    /// Bytes of a chunk's header on the wire, with its magic.
    pub const fn chunk_bytes(self) -> usize {
        match self {
            Headers::Compact => 20,
            Headers::Extended => 32,
        }
    }
}

/// "Request message" and "Extended request message".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestHeader {
    /// Command flags.
    pub flags: u16,
    /// The command.
    pub command: u16,
    /// The client's tag.
    pub cookie: u64,
    /// Bytes from the start of the export.
    pub offset: u64,
    /// Bytes.
    pub length: u64,
}

impl RequestHeader {
    /// Reads a header from the start of `bytes`, `None` if it is not whole; the error is the magic that was found.
    pub fn read(headers: Headers, mut bytes: &[u8]) -> Option<Result<RequestHeader, u32>> {
        if bytes.len() < headers.request_bytes() {
            return None;
        }
        let magic = bytes.get_u32();
        if magic != headers.request_magic() {
            return Some(Err(magic));
        }
        Some(Ok(RequestHeader {
            flags: bytes.get_u16(),
            command: bytes.get_u16(),
            cookie: bytes.get_u64(),
            offset: bytes.get_u64(),
            length: match headers {
                Headers::Compact => bytes.get_u32().into(),
                Headers::Extended => bytes.get_u64(),
            },
        }))
    }

    /// Appends the header to `out`. A length that does not fit is sent as the longest that does.
    pub fn write(&self, headers: Headers, out: &mut impl BufMut) {
        out.put_u32(headers.request_magic());
        out.put_u16(self.flags);
        out.put_u16(self.command);
        out.put_u64(self.cookie);
        out.put_u64(self.offset);
        match headers {
            Headers::Compact => out.put_u32(u32::try_from(self.length).unwrap_or(u32::MAX)),
            Headers::Extended => out.put_u64(self.length),
        }
    }
}

/// "Structured reply chunk message" and "Extended reply chunk message".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkHeader {
    /// Chunk flags.
    pub flags: u16,
    /// What the payload is.
    pub kind: u16,
    /// Of the request that is answered.
    pub cookie: u64,
    /// Of the same request; only extended headers have it, and it is 0 when others were read.
    pub offset: u64,
    /// Bytes of payload that follow: never more than 32 bits, whatever the header has room for.
    pub length: u32,
}

impl ChunkHeader {
    /// Bytes of the longest header on the wire.
    pub const BYTES_MAX: usize = Headers::Extended.chunk_bytes();

    /// Reads a header whose magic has been read already, of which `bytes` are the rest; the error is a length that
    /// no payload may have.
    ///
    /// # Panics
    ///
    /// If `bytes` are fewer than a header has behind its magic.
    pub fn read_after_magic(headers: Headers, mut bytes: &[u8]) -> Result<ChunkHeader, u64> {
        let (flags, kind, cookie) = (bytes.get_u16(), bytes.get_u16(), bytes.get_u64());
        let (offset, length) = match headers {
            Headers::Compact => (0, bytes.get_u32().into()),
            Headers::Extended => (bytes.get_u64(), bytes.get_u64()),
        };
        let length = u32::try_from(length).map_err(|_| length)?;
        Ok(ChunkHeader { flags, kind, cookie, offset, length })
    }

    /// Appends the header to `out`.
    pub fn write(&self, headers: Headers, out: &mut impl BufMut) {
        out.put_u32(headers.chunk_magic());
        out.put_u16(self.flags);
        out.put_u16(self.kind);
        out.put_u64(self.cookie);
        match headers {
            Headers::Compact => out.put_u32(self.length),
            Headers::Extended => {
                out.put_u64(self.offset);
                out.put_u64(self.length.into());
            }
        }
    }
}

/// Appends a simple reply without data: 16 bytes.
pub fn write_simple_reply(out: &mut impl BufMut, error: u32, cookie: u64) {
    out.put_u32(SIMPLE_REPLY_MAGIC);
    out.put_u32(error);
    out.put_u64(cookie);
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: [Headers; 2] = [Headers::Compact, Headers::Extended];

    const WRITE: RequestHeader = RequestHeader {
        flags: 1,
        command: command::WRITE,
        cookie: 0x0102_0304_0506_0708,
        offset: u64::MAX,
        length: 512,
    };

    #[test]
    fn a_request_is_28_bytes_or_32_and_reads_back() {
        for (headers, magic) in BOTH.into_iter().zip([b"\x25\x60\x95\x13", b"\x21\xe4\x1c\x71"]) {
            let mut bytes = Vec::new();
            WRITE.write(headers, &mut bytes);
            assert_eq!(bytes[..4], magic[..]);
            assert_eq!(bytes[4..8], [0, 1, 0, 1]);
            assert_eq!(bytes.len(), headers.request_bytes());
            assert_eq!(RequestHeader::read(headers, &bytes), Some(Ok(WRITE)));
            for end in 0..bytes.len() {
                assert_eq!(RequestHeader::read(headers, &bytes[..end]), None, "cut at byte {end}");
            }
        }
    }

    #[test]
    fn a_length_of_64_bits_needs_extended_headers() {
        let header = RequestHeader { length: 5 << 30, ..WRITE };
        for (headers, length) in BOTH.into_iter().zip([u64::from(u32::MAX), 5 << 30]) {
            let mut bytes = Vec::new();
            header.write(headers, &mut bytes);
            let read = RequestHeader::read(headers, &bytes);
            assert_eq!(read, Some(Ok(RequestHeader { length, ..header })));
        }
    }

    #[test]
    fn another_magic_is_refused_by_its_value() {
        for headers in BOTH {
            assert_eq!(RequestHeader::read(headers, &[7; 32]), Some(Err(0x0707_0707)));
        }
        let mut compact = Vec::new();
        WRITE.write(Headers::Compact, &mut compact);
        compact.extend([0; 4]);
        let read = RequestHeader::read(Headers::Extended, &compact);
        assert_eq!(read, Some(Err(REQUEST_MAGIC)), "the two are never mixed");
    }

    #[test]
    fn a_chunk_header_is_20_bytes_or_32_and_reads_back() {
        for (headers, offset) in BOTH.into_iter().zip([0, 77]) {
            let (flags, kind) = (CHUNK_DONE, chunk::ERROR);
            let header = ChunkHeader { flags, kind, cookie: 9, offset, length: 6 };
            let mut bytes = Vec::new();
            header.write(headers, &mut bytes);
            assert_eq!(bytes[..4], headers.chunk_magic().to_be_bytes());
            assert_eq!(bytes.len(), headers.chunk_bytes());
            assert_eq!(ChunkHeader::read_after_magic(headers, &bytes[4..]), Ok(header));
        }
    }

    #[test]
    fn a_payload_of_64_bits_is_refused_by_its_length() {
        let bytes = [[0; 20].as_slice(), &(1_u64 << 32).to_be_bytes()].concat();
        let read = ChunkHeader::read_after_magic(Headers::Extended, &bytes);
        assert_eq!(read, Err(1 << 32));
    }
}

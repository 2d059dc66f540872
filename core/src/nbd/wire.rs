//! Numbers and fixed structures of the NBD protocol, as they are on the wire: all big-endian.
//!
//! Each group names its heading in proto.md (NetworkBlockDevice/nbd, `doc/proto.md`). Nothing here decides
//! anything. Invariant: what is written reads back, whatever the values.

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
    /// There is no such export.
    pub const ERR_UNKNOWN: u32 = (1 << 31) + 6;
    /// The option's data are too long.
    pub const ERR_TOO_BIG: u32 = (1 << 31) + 9;
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

/// "Request message", 28 bytes with its magic.
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
    pub length: u32,
}

impl RequestHeader {
    /// Bytes on the wire.
    pub const BYTES: usize = 28;

    /// Reads a header; the error is the magic that was found.
    pub fn read(bytes: &[u8; Self::BYTES]) -> Result<RequestHeader, u32> {
        let mut bytes = bytes.as_slice();
        let magic = bytes.get_u32();
        if magic != REQUEST_MAGIC {
            return Err(magic);
        }
        Ok(RequestHeader {
            flags: bytes.get_u16(),
            command: bytes.get_u16(),
            cookie: bytes.get_u64(),
            offset: bytes.get_u64(),
            length: bytes.get_u32(),
        })
    }

    /// Appends the header to `out`.
    pub fn write(&self, out: &mut impl BufMut) {
        out.put_u32(REQUEST_MAGIC);
        out.put_u16(self.flags);
        out.put_u16(self.command);
        out.put_u64(self.cookie);
        out.put_u64(self.offset);
        out.put_u32(self.length);
    }
}

/// "Structured reply chunk message", 20 bytes with its magic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkHeader {
    /// Chunk flags.
    pub flags: u16,
    /// What the payload is.
    pub kind: u16,
    /// Of the request that is answered.
    pub cookie: u64,
    /// Bytes of payload that follow.
    pub length: u32,
}

impl ChunkHeader {
    /// Bytes on the wire.
    pub const BYTES: usize = 20;

    /// Reads a header whose magic has been read already.
    pub fn read_after_magic(bytes: &[u8; Self::BYTES - 4]) -> ChunkHeader {
        let mut bytes = bytes.as_slice();
        ChunkHeader {
            flags: bytes.get_u16(),
            kind: bytes.get_u16(),
            cookie: bytes.get_u64(),
            length: bytes.get_u32(),
        }
    }

    /// Appends the header to `out`.
    pub fn write(&self, out: &mut impl BufMut) {
        out.put_u32(CHUNK_MAGIC);
        out.put_u16(self.flags);
        out.put_u16(self.kind);
        out.put_u64(self.cookie);
        out.put_u32(self.length);
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

    #[test]
    fn a_request_is_28_bytes_and_reads_back() {
        let header = RequestHeader {
            flags: 1,
            command: command::WRITE,
            cookie: 0x0102_0304_0506_0708,
            offset: u64::MAX,
            length: 512,
        };
        let mut bytes = Vec::new();
        header.write(&mut bytes);
        assert_eq!(bytes[..8], [0x25, 0x60, 0x95, 0x13, 0, 1, 0, 1]);
        let bytes: [u8; RequestHeader::BYTES] = bytes.try_into().unwrap();
        assert_eq!(RequestHeader::read(&bytes), Ok(header));
    }

    #[test]
    fn another_magic_is_refused_by_its_value() {
        assert_eq!(RequestHeader::read(&[7; 28]), Err(0x0707_0707));
    }

    #[test]
    fn a_chunk_header_reads_back() {
        let header = ChunkHeader { flags: CHUNK_DONE, kind: chunk::ERROR, cookie: 9, length: 6 };
        let mut bytes = Vec::new();
        header.write(&mut bytes);
        assert_eq!(bytes[..4], CHUNK_MAGIC.to_be_bytes());
        assert_eq!(ChunkHeader::read_after_magic(bytes[4..].try_into().unwrap()), header);
    }
}

//! What a client says from its first byte to its last, by hand from proto.md, in pieces. Knows nothing of our own codec.
//!
//! Invariant: a piece is one thing that a server answers, or takes, as a whole.

use super::raw_client::{DISCONNECT, READ, WRITE};

/// Begins every option.
const OPTION_MAGIC: &[u8] = b"IHAVEOPT";

pub(super) const EXPORT_NAME: u32 = 1;
pub(super) const ABORT: u32 = 2;
pub(super) const GO: u32 = 7;
const STRUCTURED_REPLY: u32 = 8;
const SET_META_CONTEXT: u32 = 10;

const FLUSH: u16 = 3;
const TRIM: u16 = 4;
const CACHE: u16 = 5;
const WRITE_ZEROES: u16 = 6;
const BLOCK_STATUS: u16 = 7;

/// One thing that is said.
pub(super) struct Piece {
    pub(super) bytes: Vec<u8>,
    /// The server counts it as a request.
    pub(super) is_request: bool,
}

/// An option with its data.
pub(super) fn option(number: u32, data: &[u8]) -> Vec<u8> {
    let length = u32::try_from(data.len()).unwrap();
    claiming(number, length, data)
}

/// The same, with whatever length.
pub(super) fn claiming(number: u32, length: u32, data: &[u8]) -> Vec<u8> {
    [OPTION_MAGIC, &number.to_be_bytes(), &length.to_be_bytes(), data].concat()
}

/// A request without its data.
pub(super) fn request(flags: u16, command: u16, cookie: u64, offset: u64, length: u32) -> Vec<u8> {
    let mut bytes = 0x2560_9513_u32.to_be_bytes().to_vec();
    bytes.extend(flags.to_be_bytes());
    bytes.extend(command.to_be_bytes());
    bytes.extend(cookie.to_be_bytes());
    bytes.extend(offset.to_be_bytes());
    bytes.extend(length.to_be_bytes());
    bytes
}

/// The data of `GO` or `INFO` for the default export, with everything that can be asked for.
pub(super) fn go_data() -> Vec<u8> {
    let mut data = 0_u32.to_be_bytes().to_vec();
    data.extend(3_u16.to_be_bytes());
    for wanted in [1_u16, 2, 3] {
        data.extend(wanted.to_be_bytes());
    }
    data
}

/// The data of `SET_META_CONTEXT` or `LIST_META_CONTEXT` for the default export.
pub(super) fn context_data() -> Vec<u8> {
    let query = b"base:allocation";
    let mut data = 0_u32.to_be_bytes().to_vec();
    data.extend(1_u32.to_be_bytes());
    data.extend(u32::try_from(query.len()).unwrap().to_be_bytes());
    data.extend(query);
    data
}

/// What a well-behaved client says that does one of everything at `offset`, with or without structured replies.
pub(super) fn everything(structured: bool, offset: u64, data: &[u8]) -> Vec<Piece> {
    let said = |bytes| Piece { bytes, is_request: false };
    let asked = |bytes| Piece { bytes, is_request: true };
    let mut pieces = vec![said(3_u32.to_be_bytes().to_vec())];
    if structured {
        pieces.push(said(option(STRUCTURED_REPLY, &[])));
        pieces.push(said(option(SET_META_CONTEXT, &context_data())));
    }
    pieces.push(said(option(GO, &go_data())));
    let length = u32::try_from(data.len()).unwrap();
    let write = [request(0, WRITE, 1, offset, length), data.to_vec()].concat();
    pieces.push(asked(write));
    pieces.push(asked(request(0, READ, 2, offset, length)));
    pieces.push(asked(request(0, FLUSH, 3, 0, 0)));
    pieces.push(asked(request(0, TRIM, 4, offset, 512)));
    pieces.push(asked(request(0, WRITE_ZEROES, 5, offset + 512, 512)));
    pieces.push(asked(request(0, CACHE, 6, offset, length)));
    if structured {
        pieces.push(asked(request(0, BLOCK_STATUS, 7, offset, length)));
    }
    pieces.push(said(request(0, DISCONNECT, 8, 0, 0)));
    pieces
}

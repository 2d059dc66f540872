//! The client's side of the handshake: an option out, its answers in.
//!
//! What is asked for, and in which order, is up to `client`. Invariant: an answer is read to its last reply, and
//! takes no more memory than an option may carry.

use std::io::{self, Read, Write};

use bytes::{Buf, BufMut};

use super::ClientError;
use crate::limits::NBD_OPTION_BYTES_MAX;
use crate::nbd::wire::{OPTION_MAGIC, OPTION_REPLY_MAGIC, info, option_reply};

/// How the information that counts begins.
const EXPORT: [u8; 2] = info::EXPORT.to_be_bytes();

/// Sends an option and reads its replies to the last; returns what they say of size and flags.
pub(super) fn haggle(
    stream: &mut (impl Read + Write),
    option: u32,
    data: &[u8],
) -> Result<(u64, u16), ClientError> {
    let mut bytes = Vec::new();
    bytes.put_u64(OPTION_MAGIC);
    bytes.put_u32(option);
    bytes.put_u32(u32::try_from(data.len()).expect("options are short"));
    bytes.put_slice(data);
    stream.write_all(&bytes)?;
    let mut told = (0, 0);
    loop {
        let mut header = [0; 20];
        stream.read_exact(&mut header)?;
        let mut header = header.as_slice();
        expect("the magic of an option reply", header.get_u64(), OPTION_REPLY_MAGIC)?;
        expect("the option that was sent", header.get_u32().into(), option.into())?;
        let (kind, length) = (header.get_u32(), header.get_u32());
        let data = read_bytes(stream, length.into(), NBD_OPTION_BYTES_MAX as u64)?;
        let mut data = data.as_slice();
        match kind {
            option_reply::ACK => return Ok(told),
            option_reply::INFO if data.len() == 12 && data.starts_with(&EXPORT) => {
                data.advance(EXPORT.len());
                told = (data.get_u64(), data.get_u16());
            }
            error if error >> 31 == 1 => {
                let message = String::from_utf8_lossy(data).into_owned();
                return Err(ClientError::Refused { option, error, message });
            }
            _ => {}
        }
    }
}

/// Reads `length` bytes, if they are within `limit`.
pub(super) fn read_bytes(
    stream: &mut impl Read,
    length: u64,
    limit: u64,
) -> Result<Vec<u8>, ClientError> {
    if length > limit {
        let expected = "a length within the limits";
        return Err(ClientError::Unexpected { expected, found: length });
    }
    let mut bytes = Vec::new();
    // Grows with what comes.
    if stream.take(length).read_to_end(&mut bytes)? as u64 != length {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    }
    Ok(bytes)
}

/// Fails if what was `found` is not what was `due`.
pub(super) fn expect(expected: &'static str, found: u64, due: u64) -> Result<(), ClientError> {
    if found == due { Ok(()) } else { Err(ClientError::Unexpected { expected, found }) }
}

/// Appends a string, its length before it.
pub(super) fn put_string(out: &mut Vec<u8>, text: &str) {
    out.put_u32(u32::try_from(text.len()).expect("names are short"));
    out.put_slice(text.as_bytes());
}

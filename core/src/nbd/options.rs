//! What each option of the handshake means: its data in, its answers out.
//!
//! Framing and `EXPORT_NAME`, which is answered without any, are in `handshake`. Every malformed option is
//! answered with `ERR_INVALID` and every unknown one with `ERR_UNSUP`, and the client may go on.
//! Invariants: meta contexts are dropped by the next `SET_META_CONTEXT`, also by one that fails; where TLS is
//! required nothing is told or agreed on before it, and nothing from before it holds afterwards.

use std::sync::Arc;

use bytes::{Buf, BufMut, BytesMut};

use crate::limits::NBD_STRING_BYTES_MAX;
use crate::nbd::export::Offer;
use crate::nbd::handshake::Chosen;
use crate::nbd::secure::Tls;
use crate::nbd::wire::{
    BASE_ALLOCATION, BASE_ALLOCATION_ID, OPTION_REPLY_MAGIC, info, option, option_reply,
    transmission_flag,
};

/// What came of an option.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was answered, with what it asked for or with an error.
    Answered,
    /// The client chose an export.
    Chosen(Chosen),
    /// The client begins TLS now.
    Secure,
    /// The client wants no more.
    Aborted,
}

/// What has been agreed on so far.
#[derive(Debug)]
pub(super) struct Haggling {
    offers: Arc<[Offer]>,
    tls: Tls,
    structured_replies: bool,
    extended_headers: bool,
    /// The name of the export for which `base:allocation` is selected.
    allocation_for: Option<Vec<u8>>,
}

/// An option that is refused: the error to reply with, and a word for people.
struct Refusal(u32, &'static str);

const MALFORMED: Refusal = Refusal(option_reply::ERR_INVALID, "malformed option");
const NO_DATA_ALLOWED: Refusal = Refusal(option_reply::ERR_INVALID, "this option takes no data");
const UNKNOWN_OPTION: Refusal = Refusal(option_reply::ERR_UNSUP, "unknown option");
const TLS_REQUIRED: Refusal = Refusal(option_reply::ERR_TLS_REQD, "TLS comes first");
const UNKNOWN_EXPORT: Refusal = Refusal(option_reply::ERR_UNKNOWN, "no export has this name");

impl Haggling {
    pub(super) fn new(offers: Arc<[Offer]>, tls: Tls) -> Haggling {
        let (structured_replies, extended_headers) = (false, false);
        Haggling { offers, tls, structured_replies, extended_headers, allocation_for: None }
    }

    /// TLS is there: what was said in plain counts for nothing any more (proto.md, `NBD_OPT_STARTTLS`).
    pub(super) fn begin_tls(&mut self) {
        *self = Haggling::new(Arc::clone(&self.offers), Tls::Begun);
    }

    /// Whether everything but `STARTTLS` and `ABORT` is to be refused.
    pub(super) fn needs_tls(&self) -> bool {
        self.tls == Tls::Required
    }

    /// Answers one option.
    pub(super) fn option(&mut self, option: u32, data: &[u8], out: &mut BytesMut) -> Outcome {
        let result = match option {
            option::ABORT => {
                reply(out, option, option_reply::ACK, &[]);
                return Outcome::Aborted;
            }
            option::STARTTLS => match (data, self.tls) {
                ([], Tls::Required) => {
                    reply(out, option, option_reply::ACK, &[]);
                    return Outcome::Secure;
                }
                ([], Tls::Absent) => {
                    Err(Refusal(option_reply::ERR_POLICY, "this server has no TLS"))
                }
                ([], Tls::Begun) => Err(Refusal(option_reply::ERR_INVALID, "TLS has begun")),
                _ => Err(NO_DATA_ALLOWED),
            },
            _ if self.needs_tls() => Err(TLS_REQUIRED),
            option::LIST => self.list(data, out),
            option::INFO => self.describe(option, data, out).map(drop),
            option::GO => match self.describe(option, data, out) {
                Ok(chosen) => {
                    reply(out, option, option_reply::ACK, &[]);
                    return Outcome::Chosen(chosen);
                }
                Err(refusal) => Err(refusal),
            },
            option::STRUCTURED_REPLY => self.use_structured_replies(data),
            option::EXTENDED_HEADERS => self.use_extended_headers(data),
            option::LIST_META_CONTEXT => self.list_meta_contexts(data, out),
            option::SET_META_CONTEXT => self.set_meta_contexts(data, out),
            _ => Err(UNKNOWN_OPTION),
        };
        match result {
            Ok(()) => reply(out, option, option_reply::ACK, &[]),
            Err(Refusal(error, message)) => refuse(out, option, error, message),
        }
        Outcome::Answered
    }

    /// "`NBD_OPT_STRUCTURED_REPLY` (8)": extended headers, which imply it, cannot be given up for it.
    fn use_structured_replies(&mut self, data: &[u8]) -> Result<(), Refusal> {
        if !data.is_empty() {
            return Err(NO_DATA_ALLOWED);
        }
        if self.extended_headers {
            let error = option_reply::ERR_EXT_HEADER_REQD;
            return Err(Refusal(error, "extended headers are in use already"));
        }
        self.structured_replies = true;
        Ok(())
    }

    /// "`NBD_OPT_EXTENDED_HEADERS` (11)": structured replies are implied, asked for or not. It is for all exports or
    /// none, because it is agreed on before one is chosen.
    fn use_extended_headers(&mut self, data: &[u8]) -> Result<(), Refusal> {
        if !self.offers.iter().all(|offer| offer.advertised.extended_headers) {
            return Err(UNKNOWN_OPTION);
        }
        if !data.is_empty() {
            return Err(NO_DATA_ALLOWED);
        }
        self.structured_replies = true;
        self.extended_headers = true;
        Ok(())
    }

    /// Whether extended headers were agreed on.
    pub(super) fn extended_headers(&self) -> bool {
        self.extended_headers
    }

    /// What the client would get with the export of this name; `None` if there is none.
    pub(super) fn choose(&self, name: &[u8]) -> Option<Chosen> {
        let offer = self.find(name)?;
        Some(Chosen {
            offer,
            name: String::from_utf8(name.to_vec()).ok()?,
            structured_replies: self.structured_replies,
            extended_headers: self.extended_headers,
            block_status: self.allocation_for.as_deref() == Some(name),
        })
    }

    /// What is said of an export in every answer: its bytes and its transmission flags.
    pub(super) fn size_and_flags(&self, offer: usize) -> (u64, u16) {
        let offer = &self.offers[offer];
        let flags = offer.advertised.transmission_flags;
        // proto.md, `NBD_FLAG_SEND_DF`: clear unless structured replies have been negotiated.
        let hidden = if self.structured_replies { 0 } else { transmission_flag::DF };
        (offer.size, flags & !hidden)
    }

    fn find(&self, name: &[u8]) -> Option<usize> {
        self.offers.iter().position(|offer| offer.names.iter().any(|own| own.as_bytes() == name))
    }

    fn list(&self, data: &[u8], out: &mut BytesMut) -> Result<(), Refusal> {
        if !data.is_empty() {
            return Err(NO_DATA_ALLOWED);
        }
        for offer in self.offers.iter() {
            let name = offer.names.first().map_or("", String::as_str);
            let mut server = Vec::new();
            put_string(&mut server, name.as_bytes());
            server.put_slice(offer.description.as_bytes());
            reply(out, option::LIST, option_reply::SERVER, &server);
        }
        Ok(())
    }

    /// `INFO` and `GO` up to, but not including, their `ACK`.
    fn describe(&self, option: u32, data: &[u8], out: &mut BytesMut) -> Result<Chosen, Refusal> {
        let (name, wanted) = read_info_request(data).ok_or(MALFORMED)?;
        let chosen = self.choose(name).ok_or(UNKNOWN_EXPORT)?;
        let (size, flags) = self.size_and_flags(chosen.offer);
        let offer = &self.offers[chosen.offer];
        let mut send = |kind: u16, payload: &[&[u8]]| {
            let mut data = kind.to_be_bytes().to_vec();
            data.extend(payload.iter().copied().flatten());
            reply(out, option, option_reply::INFO, &data);
        };
        send(info::EXPORT, &[&size.to_be_bytes(), &flags.to_be_bytes()]);
        if wanted.contains(&info::NAME) {
            send(info::NAME, &[offer.names.first().map_or(b"", |name| name.as_bytes())]);
        }
        if wanted.contains(&info::DESCRIPTION) {
            send(info::DESCRIPTION, &[offer.description.as_bytes()]);
        }
        if wanted.contains(&info::BLOCK_SIZE) {
            let [min, preferred, max] = offer.advertised.block_sizes.map(u32::to_be_bytes);
            send(info::BLOCK_SIZE, &[&min, &preferred, &max]);
        }
        Ok(chosen)
    }

    fn list_meta_contexts(&self, data: &[u8], out: &mut BytesMut) -> Result<(), Refusal> {
        let (name, queries) = read_context_queries(data).ok_or(MALFORMED)?;
        self.find(name).ok_or(UNKNOWN_EXPORT)?;
        // No query asks for all; "base:" for all of that namespace.
        let listed = queries.is_empty()
            || queries.iter().any(|query| *query == b"base:" || is_allocation(query));
        if listed {
            reply_context(out, option::LIST_META_CONTEXT, 0);
        }
        Ok(())
    }

    fn set_meta_contexts(&mut self, data: &[u8], out: &mut BytesMut) -> Result<(), Refusal> {
        self.allocation_for = None;
        if !self.structured_replies {
            return Err(Refusal(option_reply::ERR_INVALID, "structured replies come first"));
        }
        let (name, queries) = read_context_queries(data).ok_or(MALFORMED)?;
        self.find(name).ok_or(UNKNOWN_EXPORT)?;
        if queries.into_iter().any(is_allocation) {
            self.allocation_for = Some(name.to_vec());
            reply_context(out, option::SET_META_CONTEXT, BASE_ALLOCATION_ID);
        }
        Ok(())
    }
}

fn is_allocation(query: &[u8]) -> bool {
    query == BASE_ALLOCATION.as_bytes()
}

fn reply_context(out: &mut BytesMut, option: u32, id: u32) {
    let mut context = id.to_be_bytes().to_vec();
    context.put_slice(BASE_ALLOCATION.as_bytes());
    reply(out, option, option_reply::META_CONTEXT, &context);
}

/// "`NBD_OPT_INFO` (6) and `NBD_OPT_GO` (7)": the export's name and what else is wanted.
fn read_info_request(mut data: &[u8]) -> Option<(&[u8], Vec<u16>)> {
    let name = read_string(&mut data)?;
    let count = usize::from(data.try_get_u16().ok()?);
    if data.len() != count * 2 {
        return None;
    }
    Some((name, data.chunks_exact(2).map(|kind| u16::from_be_bytes([kind[0], kind[1]])).collect()))
}

/// "`NBD_OPT_LIST_META_CONTEXT` (9)" and "(10)": the export's name and the queries.
fn read_context_queries(mut data: &[u8]) -> Option<(&[u8], Vec<&[u8]>)> {
    let name = read_string(&mut data)?;
    let count = data.try_get_u32().ok()?;
    let mut queries = Vec::new();
    for _ in 0..count {
        // Ends at the latest with the data: each query takes four bytes of it at least.
        queries.push(read_string(&mut data)?);
    }
    data.is_empty().then_some((name, queries))
}

/// A length of 32 bits and as many bytes.
fn read_string<'a>(data: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(data.try_get_u32().ok()?).ok()?;
    if length > NBD_STRING_BYTES_MAX {
        return None;
    }
    data.split_off(..length)
}

fn put_string(out: &mut Vec<u8>, text: &[u8]) {
    // A longer name cannot be sent, and none is: file stems are at most 255 bytes.
    let text = &text[..text.len().min(NBD_STRING_BYTES_MAX)];
    out.put_u32(u32::try_from(text.len()).expect("bounded above"));
    out.put_slice(text);
}

/// "Fixed newstyle negotiation": one reply to an option.
fn reply(out: &mut BytesMut, option: u32, kind: u32, data: &[u8]) {
    out.put_u64(OPTION_REPLY_MAGIC);
    out.put_u32(option);
    out.put_u32(kind);
    out.put_u32(u32::try_from(data.len()).expect("an answer is a few strings of bounded length"));
    out.put_slice(data);
}

/// An error reply with a text for people.
pub(super) fn refuse(out: &mut BytesMut, option: u32, error: u32, message: &str) {
    reply(out, option, error, message.as_bytes());
}

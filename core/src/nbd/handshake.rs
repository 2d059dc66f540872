//! The server's side of the handshake: bytes of the client in, answers out, and at the end an export.
//!
//! No I/O and no time here; the meaning of each option is in `options`. Answers to one option are written
//! before the next is looked at, so that a caller who sends them in between holds at most one option's.
//! Invariant: no input makes it panic, and it never asks for more than `NBD_OPTION_BYTES_MAX` and a header.

use std::sync::Arc;

use bytes::{Buf, BufMut, BytesMut};

use crate::limits::NBD_OPTION_BYTES_MAX;
use crate::nbd::export::Offer;
use crate::nbd::options::{Haggling, Outcome, refuse};
use crate::nbd::secure::Tls;
use crate::nbd::wire::{
    EXPORT_NAME_ZEROES, FIXED_NEWSTYLE, GREETING_MAGIC, Headers, NO_ZEROES, OPTION_MAGIC, option,
    option_reply, transmission_flag,
};

/// Why a handshake cannot go on.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum HandshakeError {
    /// proto.md, "Client flags": the server must drop the connection.
    #[error("client flags {found:#x} have bits that were not offered (offered: 0x3)")]
    ClientFlags {
        /// As sent.
        found: u32,
    },
    /// The client lost its place, or is no NBD client.
    #[error("bad option magic {found:#018x}; expected {OPTION_MAGIC:#018x} (not an NBD client?)")]
    OptionMagic {
        /// As sent.
        found: u64,
    },
    /// More than any option needs.
    #[error("option {option} claims {length} bytes of data; limit {NBD_OPTION_BYTES_MAX}")]
    OptionTooLong {
        /// The option's number.
        option: u32,
        /// As claimed.
        length: u32,
    },
    /// proto.md, "FORCEDTLS mode": an option that cannot fail must end the session, and so must a client that knows no
    /// other option.
    #[error("the client does not ask for TLS, which is required here")]
    TlsRequired,
    /// Whoever sent it may not be the client: it was not under TLS, and must not be taken as if it were.
    #[error("{bytes} bytes in plain behind STARTTLS, before TLS began")]
    PlainBehindStartTls {
        /// How many had come.
        bytes: usize,
    },
    /// `EXPORT_NAME` knows no other way to say no.
    #[error("no export is named {name:?}")]
    UnknownExport {
        /// As asked for.
        name: String,
    },
    /// proto.md, `NBD_OPT_EXTENDED_HEADERS`: they come with `GO` only.
    #[error("the client chose an export by EXPORT_NAME after extended headers; only GO may follow")]
    ExportNameAfterExtended,
}

/// What an option led to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Nothing was used; more input is needed.
    Starved,
    /// Some input was used; there may be more in it.
    Going,
    /// The client chose an export: what follows is transmission.
    Chosen(Chosen),
    /// Once the answer has gone TLS begins, and then [`Handshake::begin_tls`] is due.
    Secure,
    /// The client does not want to go on.
    Aborted,
}

/// What was agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chosen {
    /// Its place among the offers.
    pub(super) offer: usize,
    /// The name it was asked for by.
    pub(super) name: String,
    /// Reads are answered in chunks.
    pub(super) structured_replies: bool,
    /// Requests and replies have extended headers.
    pub(super) extended_headers: bool,
    /// `base:allocation` was selected for this export.
    pub(super) block_status: bool,
}

impl Chosen {
    /// What requests and replies begin with from here on.
    pub(super) fn headers(&self) -> Headers {
        if self.extended_headers { Headers::Extended } else { Headers::Compact }
    }
}

/// A handshake under way.
#[derive(Debug)]
pub(super) struct Handshake {
    haggling: Haggling,
    /// What the client said first; `None` until it has.
    client_flags: Option<u32>,
}

impl Handshake {
    /// Greets the client.
    pub(super) fn new(offers: Arc<[Offer]>, tls: Tls, output: &mut BytesMut) -> Handshake {
        output.put_u64(GREETING_MAGIC);
        output.put_u64(OPTION_MAGIC);
        output.put_u16(FIXED_NEWSTYLE | NO_ZEROES);
        Handshake { haggling: Haggling::new(offers, tls), client_flags: None }
    }

    /// TLS is there. The client goes on with its next option, as if it had said none before.
    pub(super) fn begin_tls(&mut self) {
        self.haggling.begin_tls();
    }

    /// Takes the client flags or one option off `input`: how many bytes were used, and what came of it.
    pub(super) fn step(
        &mut self,
        input: &[u8],
        output: &mut BytesMut,
    ) -> Result<(usize, Progress), HandshakeError> {
        let Some(client_flags) = self.client_flags else {
            return self.client_flags(input);
        };
        let mut rest = input;
        // Refuse a wrong magic on its first byte that differs: what is no NBD client may never send more.
        let magic = OPTION_MAGIC.to_be_bytes();
        let seen = &rest[..rest.len().min(magic.len())];
        if !magic.starts_with(seen) {
            let mut found = [0; 8];
            found[..seen.len()].copy_from_slice(seen);
            return Err(HandshakeError::OptionMagic { found: u64::from_be_bytes(found) });
        }
        if rest.len() < 16 {
            return Ok((0, Progress::Starved));
        }
        rest.advance(magic.len());
        let (option, length) = (rest.get_u32(), rest.get_u32());
        if length as usize > NBD_OPTION_BYTES_MAX {
            // `EXPORT_NAME` has no answer that says no: whatever came would be taken for a size and flags.
            if option != option::EXPORT_NAME {
                refuse(output, option, option_reply::ERR_TOO_BIG, "too much data");
            }
            return Err(HandshakeError::OptionTooLong { option, length });
        }
        let Some(data) = rest.get(..length as usize) else {
            return Ok((0, Progress::Starved));
        };
        let progress = if option == option::EXPORT_NAME {
            Progress::Chosen(self.export_name(data, client_flags, output)?)
        } else {
            match self.haggling.option(option, data, output) {
                Outcome::Answered => Progress::Going,
                Outcome::Chosen(chosen) => Progress::Chosen(chosen),
                Outcome::Secure if rest.len() > data.len() => {
                    let bytes = rest.len() - data.len();
                    return Err(HandshakeError::PlainBehindStartTls { bytes });
                }
                Outcome::Secure => Progress::Secure,
                Outcome::Aborted => Progress::Aborted,
            }
        };
        Ok((16 + data.len(), progress))
    }

    fn client_flags(&mut self, mut input: &[u8]) -> Result<(usize, Progress), HandshakeError> {
        let Ok(found) = input.try_get_u32() else {
            return Ok((0, Progress::Starved));
        };
        if found & !u32::from(FIXED_NEWSTYLE | NO_ZEROES) != 0 {
            return Err(HandshakeError::ClientFlags { found });
        }
        // proto.md, "Server-side requirements": such a client may not be asked for TLS.
        if self.haggling.needs_tls() && found & u32::from(FIXED_NEWSTYLE) == 0 {
            return Err(HandshakeError::TlsRequired);
        }
        self.client_flags = Some(found);
        Ok((4, Progress::Going))
    }

    /// proto.md, `NBD_OPT_EXPORT_NAME`: the answer has no header, and there is none to an unknown name.
    fn export_name(
        &self,
        name: &[u8],
        client_flags: u32,
        output: &mut BytesMut,
    ) -> Result<Chosen, HandshakeError> {
        if self.haggling.needs_tls() {
            return Err(HandshakeError::TlsRequired);
        }
        if self.haggling.extended_headers() {
            return Err(HandshakeError::ExportNameAfterExtended);
        }
        let Some(chosen) = self.haggling.choose(name) else {
            let name = String::from_utf8_lossy(name).into_owned();
            return Err(HandshakeError::UnknownExport { name });
        };
        let (size, flags) = self.haggling.size_and_flags(chosen.offer);
        output.put_u64(size);
        output.put_u16(flags);
        debug_assert!(flags & transmission_flag::HAS_FLAGS != 0);
        if client_flags & u32::from(NO_ZEROES) == 0 {
            output.put_bytes(0, EXPORT_NAME_ZEROES);
        }
        Ok(chosen)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::device::Geometry;
    use crate::limits::NBD_STRING_BYTES_MAX;
    use crate::nbd::export::advertised;

    const SIZE: u64 = 0x0010_0000;
    const STRUCTURED: (u32, &[u8]) = (option::STRUCTURED_REPLY, b"");
    const EXTENDED: (u32, &[u8]) = (option::EXTENDED_HEADERS, b"");

    fn offers() -> Arc<[Offer]> {
        let geometry = Geometry {
            size: SIZE,
            block_min: 1,
            block_preferred: 4096,
            read_only: false,
            discard: true,
        };
        let offer = |names: &[&str], description: &str| Offer {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            description: description.to_owned(),
            size: geometry.size,
            advertised: advertised(&geometry),
        };
        Arc::new([offer(&["", "0"], "disk"), offer(&["1"], "")])
    }

    /// What a client says: its flags, then options with their data.
    fn conversation(flags: u32, options: &[(u32, &[u8])]) -> Vec<u8> {
        let mut bytes = flags.to_be_bytes().to_vec();
        for (option, data) in options {
            bytes.extend(b"IHAVEOPT");
            bytes.put_u32(*option);
            bytes.put_u32(u32::try_from(data.len()).unwrap());
            bytes.extend(*data);
        }
        bytes
    }

    /// Feeds `input` to a handshake: the answers after the greeting, and what came of the last option.
    fn converse(input: &[u8]) -> (Vec<u8>, Result<Progress, HandshakeError>) {
        converse_about(offers(), Tls::Absent, input)
    }

    fn converse_under(tls: Tls, input: &[u8]) -> (Vec<u8>, Result<Progress, HandshakeError>) {
        converse_about(offers(), tls, input)
    }

    fn converse_about(
        offers: Arc<[Offer]>,
        tls: Tls,
        input: &[u8],
    ) -> (Vec<u8>, Result<Progress, HandshakeError>) {
        let mut output = BytesMut::new();
        let mut handshake = Handshake::new(offers, tls, &mut output);
        assert_eq!(&output[..], b"NBDMAGICIHAVEOPT\0\x03");
        output.clear();
        go_on(&mut handshake, input, output)
    }

    /// Feeds `input` to a handshake under way; `output` has what was answered before.
    fn go_on(
        handshake: &mut Handshake,
        mut input: &[u8],
        mut output: BytesMut,
    ) -> (Vec<u8>, Result<Progress, HandshakeError>) {
        loop {
            match handshake.step(input, &mut output) {
                Ok((used, Progress::Going)) => input = &input[used..],
                Ok((used, progress)) => {
                    assert!(used <= input.len());
                    assert_eq!(used == 0, progress == Progress::Starved);
                    return (output.to_vec(), Ok(progress));
                }
                Err(error) => return (output.to_vec(), Err(error)),
            }
        }
    }

    fn answer(option: u32, kind: u32, data: &[u8]) -> Vec<u8> {
        let mut bytes = 0x0003_e889_0455_65a9_u64.to_be_bytes().to_vec();
        bytes.put_u32(option);
        bytes.put_u32(kind);
        bytes.put_u32(u32::try_from(data.len()).unwrap());
        bytes.extend(data);
        bytes
    }

    /// The kinds of the answers, in order.
    fn kinds(mut answers: &[u8]) -> Vec<u32> {
        let mut kinds = Vec::new();
        while answers.has_remaining() {
            assert_eq!(answers.get_u64(), 0x0003_e889_0455_65a9);
            answers.advance(4);
            kinds.push(answers.get_u32());
            let length = answers.get_u32() as usize;
            answers.advance(length);
        }
        kinds
    }

    /// Says `options` with flags 3 and checks the kinds of all answers; every truncation must be survived.
    fn check(options: &[(u32, &[u8])], expected: &[u32]) -> Result<Progress, HandshakeError> {
        let input = conversation(3, options);
        for end in 0..input.len() {
            let (_, result) = converse(&input[..end]);
            assert_eq!(result, Ok(Progress::Starved), "cut at byte {end}");
        }
        let (answers, result) = converse(&input);
        assert_eq!(kinds(&answers), expected);
        result
    }

    fn chosen(name: &str) -> Chosen {
        Chosen {
            offer: 0,
            name: name.to_owned(),
            structured_replies: false,
            extended_headers: false,
            block_status: false,
        }
    }

    #[test]
    fn export_name_is_answered_with_size_flags_and_zeroes() {
        let input = conversation(1, &[(option::EXPORT_NAME, b"0")]);
        let (answers, result) = converse(&input);
        let mut expected = SIZE.to_be_bytes().to_vec();
        // Everything but DF, which comes only with structured replies.
        expected.put_u16(0b1101_0110_1101);
        expected.put_bytes(0, 124);
        assert_eq!(answers, expected);
        assert_eq!(result, Ok(Progress::Chosen(chosen("0"))));
    }

    #[test]
    fn export_name_has_no_zeroes_if_both_sides_agree() {
        let (answers, _) = converse(&conversation(3, &[(option::EXPORT_NAME, b"")]));
        assert_eq!(answers.len(), 10);
    }

    #[test]
    fn export_name_of_an_unknown_export_ends_the_connection() {
        let (answers, result) = converse(&conversation(3, &[(option::EXPORT_NAME, b"no\xff")]));
        assert_eq!(answers, b"");
        assert_eq!(result, Err(HandshakeError::UnknownExport { name: "no\u{fffd}".to_owned() }));
    }

    #[test]
    fn go_is_answered_with_what_was_asked_for() {
        let mut data = b"\0\0\0\x010\0\x03".to_vec();
        data.extend([0, 1, 0, 2, 0, 3]);
        let (answers, result) = converse(&conversation(3, &[STRUCTURED, (option::GO, &data)]));
        let info = |data: &[u8]| answer(option::GO, option_reply::INFO, data);
        let expected = [
            answer(option::STRUCTURED_REPLY, option_reply::ACK, b""),
            info(b"\0\0\0\0\0\0\0\x10\0\0\x0d\xed"),
            info(b"\0\x01"),
            info(b"\0\x02disk"),
            info(b"\0\x03\0\0\0\x01\0\0\x10\0\x02\0\0\0"),
            answer(option::GO, option_reply::ACK, b""),
        ];
        assert_eq!(answers, expected.concat());
        let agreed = Chosen { structured_replies: true, ..chosen("0") };
        assert_eq!(result, Ok(Progress::Chosen(agreed)));
    }

    #[test]
    fn info_describes_and_goes_on() {
        let data = b"\0\0\0\0\0\x01\0\x63";
        let result = check(
            &[(option::INFO, data), (option::ABORT, b"ignored")],
            &[option_reply::INFO, option_reply::ACK, option_reply::ACK],
        );
        assert_eq!(result, Ok(Progress::Aborted));
    }

    #[test]
    fn info_and_go_refuse_what_is_malformed_or_unknown() {
        let malformed: [&[u8]; 6] = [
            b"",
            b"\0\0\0\x05abc",
            b"\0\0\0\0",
            b"\0\0\0\0\0\x01",
            b"\0\0\0\0\0\0extra",
            b"\xff\xff\xff\xff\0\0",
        ];
        for option in [option::INFO, option::GO] {
            for data in malformed {
                let result = check(&[(option, data)], &[option_reply::ERR_INVALID]);
                assert_eq!(result, Ok(Progress::Starved), "it may go on");
            }
            let unknown = b"\0\0\0\x02no\0\0";
            assert!(check(&[(option, unknown)], &[option_reply::ERR_UNKNOWN]).is_ok());
        }
    }

    #[test]
    fn a_name_has_as_many_bytes_as_a_string_may_have_and_no_more() {
        for (length, error) in [
            (NBD_STRING_BYTES_MAX, option_reply::ERR_UNKNOWN),
            (NBD_STRING_BYTES_MAX + 1, option_reply::ERR_INVALID),
        ] {
            let mut name = u32::try_from(length).unwrap().to_be_bytes().to_vec();
            name.resize(4 + length, b'n');
            let asked = [&name[..], &[0; 2]].concat();
            let contexts = [&name[..], &[0; 4]].concat();
            for (option, data) in [
                (option::INFO, &asked),
                (option::GO, &asked),
                (option::LIST_META_CONTEXT, &contexts),
                (option::SET_META_CONTEXT, &contexts),
            ] {
                let said = conversation(3, &[STRUCTURED, (option, data)]);
                assert_eq!(kinds(&converse(&said).0), [option_reply::ACK, error], "{option}");
            }
        }
    }

    #[test]
    fn list_names_each_export_once() {
        let (answers, result) = converse(&conversation(3, &[(option::LIST, b"")]));
        let expected = [
            answer(option::LIST, option_reply::SERVER, b"\0\0\0\0disk"),
            answer(option::LIST, option_reply::SERVER, b"\0\0\0\x011"),
            answer(option::LIST, option_reply::ACK, b""),
        ];
        assert_eq!(answers, expected.concat());
        assert_eq!(result, Ok(Progress::Starved));
    }

    #[test]
    fn options_without_data_refuse_data() {
        for option in
            [option::LIST, option::STARTTLS, option::STRUCTURED_REPLY, option::EXTENDED_HEADERS]
        {
            assert!(check(&[(option, b"x")], &[option_reply::ERR_INVALID]).is_ok());
        }
    }

    #[test]
    fn unknown_options_are_refused_and_the_next_one_is_heard() {
        // 4 is withdrawn.
        for option in [0, 4, 12, u32::MAX] {
            let refused = [option_reply::ERR_UNSUP, option_reply::ACK];
            let result = check(&[(option, b"data"), (option::ABORT, b"")], &refused);
            assert_eq!(result, Ok(Progress::Aborted));
        }
    }

    #[test]
    fn tls_is_not_to_be_had() {
        assert!(check(&[(option::STARTTLS, b"")], &[option_reply::ERR_POLICY]).is_ok());
    }

    #[test]
    fn where_tls_is_required_nothing_else_is_told_before_it() {
        let go: &[u8] = b"\0\0\0\0\0\0";
        let first = [option::LIST, option::INFO, option::GO, 8, 9, 10, 11, 4, u32::MAX];
        let options: Vec<(u32, &[u8])> = first.iter().map(|option| (*option, go)).collect();
        let (answers, result) = converse_under(Tls::Required, &conversation(3, &options));
        assert_eq!(kinds(&answers), [option_reply::ERR_TLS_REQD; 9]);
        assert_eq!(result, Ok(Progress::Starved));
        let abort: [(u32, &[u8]); 1] = [(option::ABORT, b"")];
        let (_, result) = converse_under(Tls::Required, &conversation(3, &abort));
        assert_eq!(result, Ok(Progress::Aborted));
        let name: [(u32, &[u8]); 1] = [(option::EXPORT_NAME, b"")];
        let (answers, result) = converse_under(Tls::Required, &conversation(3, &name));
        assert_eq!((answers.len(), result), (0, Err(HandshakeError::TlsRequired)));
        let old = converse_under(Tls::Required, &conversation(2, &[]));
        assert_eq!(old.1, Err(HandshakeError::TlsRequired), "it knows no STARTTLS");
    }

    #[test]
    fn starttls_takes_no_data_and_comes_once() {
        let mut handshake = Handshake::new(offers(), Tls::Required, &mut BytesMut::new());
        let input = conversation(3, &[(option::STARTTLS, b"x"), (option::STARTTLS, b"")]);
        let (answers, result) = go_on(&mut handshake, &input, BytesMut::new());
        assert_eq!(kinds(&answers), [option_reply::ERR_INVALID, option_reply::ACK]);
        assert_eq!(result, Ok(Progress::Secure));
        handshake.begin_tls();
        // The client flags are not said again.
        let input = conversation(0, &[(option::STARTTLS, b""), (option::LIST, b"x")]);
        let (answers, result) = go_on(&mut handshake, &input[4..], BytesMut::new());
        assert_eq!(kinds(&answers), [option_reply::ERR_INVALID; 2]);
        assert_eq!(result, Ok(Progress::Starved));
    }

    #[test]
    fn plain_bytes_behind_starttls_end_the_connection() {
        for behind in [&b"I"[..], b"IHAVEOPT\0\0\0\x07\0\0\0\x06\0\0\0\0\0\0", b"\x16\x03\x01"] {
            let input = [conversation(3, &[(option::STARTTLS, b"")]), behind.to_vec()].concat();
            let (_, result) = converse_under(Tls::Required, &input);
            let bytes = behind.len();
            assert_eq!(result, Err(HandshakeError::PlainBehindStartTls { bytes }));
        }
    }

    #[test]
    fn what_was_agreed_on_in_plain_is_forgotten_under_tls() {
        let mut haggling = Haggling::new(offers(), Tls::Required);
        let set = b"\0\0\0\0\0\0\0\x01\0\0\0\x0fbase:allocation";
        // As if somebody between had got that far.
        haggling.begin_tls();
        let mut out = BytesMut::new();
        haggling.option(option::STRUCTURED_REPLY, b"", &mut out);
        haggling.option(option::SET_META_CONTEXT, set, &mut out);
        let before = haggling.choose(b"").unwrap();
        assert!(before.structured_replies && before.block_status);
        haggling.begin_tls();
        assert_eq!(haggling.choose(b""), Some(chosen("")));
    }

    #[test]
    fn set_meta_context_needs_structured_replies_first() {
        let data = b"\0\0\0\0\0\0\0\x01\0\0\0\x0fbase:allocation";
        let options: [(u32, &[u8]); 1] = [(option::SET_META_CONTEXT, data)];
        assert!(check(&options, &[option_reply::ERR_INVALID]).is_ok());
    }

    const GO: (u32, &[u8]) = (option::GO, b"\0\0\0\0\0\0");

    /// What is agreed on after `options` and `GO` for `""`; `answers` are those to the options.
    fn agreed(options: &[(u32, &[u8])], answers: &[u32]) -> Chosen {
        let expected = [answers, &[option_reply::INFO, option_reply::ACK]].concat();
        match check(&[options, &[GO]].concat(), &expected) {
            Ok(Progress::Chosen(chosen)) => chosen,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn extended_headers_imply_structured_replies_in_whichever_order_they_are_asked_for() {
        let ack = option_reply::ACK;
        let both = Chosen { structured_replies: true, extended_headers: true, ..chosen("") };
        assert_eq!(agreed(&[EXTENDED], &[ack]), both);
        assert_eq!(agreed(&[EXTENDED, EXTENDED], &[ack, ack]), both);
        assert_eq!(agreed(&[STRUCTURED, EXTENDED], &[ack, ack]), both);
        let kept = [ack, option_reply::ERR_EXT_HEADER_REQD];
        assert_eq!(agreed(&[EXTENDED, STRUCTURED], &kept), both, "they are not given up");
        let asked_with_data = (option::EXTENDED_HEADERS, b"x".as_slice());
        assert_eq!(agreed(&[asked_with_data], &[option_reply::ERR_INVALID]), chosen(""));
        // DF is offered, and block status can be asked for.
        let (answers, _) = converse(&conversation(3, &[EXTENDED, GO]));
        let df = answer(option::GO, option_reply::INFO, b"\0\0\0\0\0\0\0\x10\0\0\x0d\xed");
        assert_eq!(answers[20..20 + df.len()], df);
        let set = b"\0\0\0\0\0\0\0\x01\0\0\0\x0fbase:allocation";
        let set = (option::SET_META_CONTEXT, set.as_slice());
        let status = agreed(&[EXTENDED, set], &[ack, option_reply::META_CONTEXT, ack]);
        assert_eq!(status, Chosen { block_status: true, ..both });
    }

    #[test]
    fn export_name_after_extended_headers_ends_the_connection() {
        let input = conversation(3, &[EXTENDED, (option::EXPORT_NAME, b"")]);
        let (answers, result) = converse(&input);
        assert_eq!(kinds(&answers), [option_reply::ACK]);
        assert_eq!(result, Err(HandshakeError::ExportNameAfterExtended));
    }

    #[test]
    fn where_extended_headers_are_not_on_offer_the_option_is_unknown() {
        let mut offers = offers().to_vec();
        offers[1].advertised.extended_headers = false;
        let said = conversation(3, &[EXTENDED, STRUCTURED, GO]);
        let (answers, result) = converse_about(offers.into(), Tls::Absent, &said);
        let (ack, info) = (option_reply::ACK, option_reply::INFO);
        assert_eq!(kinds(&answers), [option_reply::ERR_UNSUP, ack, info, ack]);
        let agreed = Chosen { structured_replies: true, ..chosen("") };
        assert_eq!(result, Ok(Progress::Chosen(agreed)));
    }

    /// Structured replies, then each option, then `GO` for `""`: whether block status was agreed on.
    fn block_status_after(options: &[(u32, &[u8])]) -> bool {
        let go: (u32, &[u8]) = (option::GO, b"\0\0\0\0\0\0");
        let all = [&[STRUCTURED], options, &[go]].concat();
        match converse(&conversation(3, &all)).1 {
            Ok(Progress::Chosen(chosen)) => chosen.block_status,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn block_status_is_agreed_on_by_the_last_selection_for_the_chosen_name() {
        let set = option::SET_META_CONTEXT;
        let all = b"\0\0\0\0\0\0\0\x02\0\0\0\x06other:\0\0\0\x0fbase:allocation";
        let none = b"\0\0\0\0\0\0\0\0";
        let wildcard = b"\0\0\0\0\0\0\0\x01\0\0\0\x05base:";
        let other_name = b"\0\0\0\x010\0\0\0\x01\0\0\0\x0fbase:allocation";
        assert!(block_status_after(&[(set, all)]));
        assert!(block_status_after(&[(set, none), (set, all)]));
        assert!(!block_status_after(&[(set, all), (set, none)]));
        assert!(!block_status_after(&[(set, all), (set, b"malformed")]), "failing drops it too");
        assert!(!block_status_after(&[(set, wildcard)]));
        assert!(!block_status_after(&[(set, other_name)]));
        let (answers, _) = converse(&conversation(3, &[STRUCTURED, (set, all)]));
        let context = answer(set, option_reply::META_CONTEXT, b"\0\0\0\x01base:allocation");
        assert_eq!(answers[20..20 + context.len()], context);
    }

    #[test]
    fn meta_contexts_are_listed_by_name_by_namespace_or_all() {
        let found = [option_reply::META_CONTEXT, option_reply::ACK];
        let cases: [(&[u8], &[u32]); 7] = [
            (b"\0\0\0\0\0\0\0\0", &found),
            (b"\0\0\0\0\0\0\0\x01\0\0\0\x05base:", &found),
            (b"\0\0\0\0\0\0\0\x01\0\0\0\x0fbase:allocation", &found),
            (b"\0\0\0\0\0\0\0\x01\0\0\0\x05qemu:", &[option_reply::ACK]),
            (b"\0\0\0\x02no\0\0\0\0", &[option_reply::ERR_UNKNOWN]),
            (b"\0\0\0\0\xff\xff\xff\xff\0\0\0\0", &[option_reply::ERR_INVALID]),
            (b"\0\0\0\0\0\0\0\0extra", &[option_reply::ERR_INVALID]),
        ];
        for (data, expected) in cases {
            assert!(check(&[(option::LIST_META_CONTEXT, data)], expected).is_ok());
        }
    }

    #[test]
    fn client_flags_that_were_not_offered_end_the_connection() {
        let (_, result) = converse(&conversation(7, &[]));
        assert_eq!(result, Err(HandshakeError::ClientFlags { found: 7 }));
    }

    #[test]
    fn garbage_is_refused_at_its_first_byte_that_differs() {
        for (input, found) in [("X", 0x58 << 56), ("IHAVEOPZ", 0x4948_4156_454f_505a)] {
            let (_, result) = converse(&[b"\0\0\0\x03", input.as_bytes()].concat());
            assert_eq!(result, Err(HandshakeError::OptionMagic { found }));
        }
    }

    #[test]
    fn an_option_that_claims_too_much_is_refused_unread() {
        for length in [NBD_OPTION_BYTES_MAX + 1, u32::MAX as usize] {
            let length = u32::try_from(length).unwrap();
            for option in [option::GO, option::EXPORT_NAME] {
                let mut input = conversation(3, &[]);
                input.extend(b"IHAVEOPT");
                input.put_u32(option);
                input.put_u32(length);
                let (answers, result) = converse(&input);
                let told: &[u32] =
                    if option == option::GO { &[option_reply::ERR_TOO_BIG] } else { &[] };
                assert_eq!(kinds(&answers), told, "option {option}");
                assert_eq!(result, Err(HandshakeError::OptionTooLong { option, length }));
            }
        }
    }

    proptest! {
        #[test]
        fn no_input_makes_it_panic(
            options in prop::collection::vec(
                (0_u32..14, prop::collection::vec(prop::sample::select(vec![0, 1, 4, 255]), 0..40)),
                0..6,
            ),
            junk in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let options: Vec<(u32, &[u8])> =
                options.iter().map(|(option, data)| (*option, data.as_slice())).collect();
            let mut input = conversation(3, &options);
            input.extend(junk);
            let (answers, _) = converse(&input);
            prop_assert!(answers.len() < 6 * 1000);
        }
    }
}

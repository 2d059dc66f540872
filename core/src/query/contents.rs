//! Parts of a tree that are bytes or texts, and what is asked of them.
//!
//! Tree in, tests out. Invariant: bytes are compared with bytes, names and digests with texts.

use super::check::Checker;
use super::content::{Content, Like, Pattern};
use super::error::QueryError;
use super::field::{Field, Get, Kind, Value};
use super::filter::Test;
use super::function::{Function, Of};
use super::numbers::no_bytes;
use super::tree::{Call, Node, Part, What};
use crate::request::DeviceId;

/// Regular expressions that a filter has at most.
const PATTERNS_MAX: usize = 8;

/// What a regular expression may take, in bytes of memory: compiled, and while it is asked.
const PATTERN_BYTES_MAX: usize = 1 << 20;

/// Parts of a regular expression inside of each other.
const PATTERN_DEPTH_MAX: u32 = 50;

impl Content {
    /// What a field has.
    pub(super) fn named(field: &Field) -> Option<Content> {
        match field.get {
            Get::Payload => Some(Content::Data(Part::ALL)),
            Get::Hash => Some(Content::Digest),
            Get::Note => Some(Content::Note),
            _ => None,
        }
    }

    pub(super) fn kind(self) -> &'static str {
        match self {
            Content::Data(_) => Kind::Bytes.name(),
            _ => Kind::Text.name(),
        }
    }
}

impl Checker<'_> {
    /// The bytes or the text that a part is; `None` if it is something else.
    pub(super) fn content_of(&self, node: &Node) -> Result<Option<Content>, QueryError> {
        match &node.what {
            What::Word(word) => Ok(Field::named(word).and_then(Content::named)),
            // One byte is a number.
            What::Part(_, Part::One(_)) => Ok(None),
            What::Part(value, part) => match self.content_of(value)? {
                Some(Content::Data(Part::ALL)) => Ok(Some(Content::Data(*part))),
                _ => Err(no_bytes(value)),
            },
            What::Call(call) => self.hash(call, node),
            _ => Ok(None),
        }
    }

    /// The bytes or the text that a part must be.
    pub(super) fn content(&self, node: &Node) -> Result<Content, QueryError> {
        self.content_of(node)?.ok_or_else(|| match &node.what {
            What::Word(word) if Field::named(word).is_none() => super::names::unknown(word, node),
            _ => no_bytes(node),
        })
    }

    fn hash(&self, call: &Call, node: &Node) -> Result<Option<Content>, QueryError> {
        if Function::named(&call.name).all(|function| function.of != Of::Hash) {
            return Ok(None);
        }
        let [argument] = &call.arguments[..] else {
            let what = "`hash` takes other things";
            return Err(QueryError::new(what, node.place.clone(), "expected hash(payload)"));
        };
        if call.of.is_some() {
            let what = "`hash` of these has no `where`";
            return Err(QueryError::new(what, node.place.clone(), "expected hash(payload)"));
        }
        match self.content(argument)? {
            Content::Data(Part::ALL) => Ok(Some(Content::Digest)),
            Content::Data(part) => Ok(Some(Content::DigestOf(part))),
            _ => Err(no_bytes(argument)),
        }
    }

    /// What a content must be equal to, one of `others`.
    pub(super) fn equal_to(
        content: Content,
        value: &Node,
        others: &[&Node],
    ) -> Result<Like, QueryError> {
        let literals =
            others.iter().map(|other| literal(content, value, other)).collect::<Result<_, _>>()?;
        match content {
            Content::Digest | Content::DigestOf(_) => {
                for other in others {
                    digest(other)?;
                }
                Ok(Like::Begins(literals))
            }
            Content::Data(part) => {
                for (bytes, other) in std::iter::zip::<&Vec<Vec<u8>>, _>(&literals, others) {
                    as_long(part, bytes, other)?;
                }
                Ok(Like::Is(literals))
            }
            Content::Note => Ok(Like::Is(literals)),
        }
    }

    pub(super) fn contains(&self, value: &Node, inner: &Node) -> Result<Test, QueryError> {
        if let Some(field) = device(value) {
            let What::Text(text) = &inner.what else { return Err(expected_text(inner)) };
            let text = String::from_utf8_lossy(text).into_owned();
            return Ok(self.devices(field, |name| name.contains(&text)));
        }
        let content = self.bytes_or_text(value)?;
        let bytes = literal(content, value, inner)?;
        if bytes.is_empty() {
            let what = "everything contains nothing";
            return Err(QueryError::new(what, inner.place.clone(), "this is empty"));
        }
        Ok(Test::Content(content, Like::Contains(bytes), false))
    }

    pub(super) fn matches(&self, value: &Node, pattern: &Node) -> Result<Test, QueryError> {
        let What::Pattern(text) = &pattern.what else { return Err(expected_text(pattern)) };
        if let Some(field) = device(value) {
            let pattern = self.pattern(text, pattern, false)?;
            let like = Like::Matches(pattern);
            return Ok(self.devices(field, |name| like.holds(name.as_bytes())));
        }
        let content = self.bytes_or_text(value)?;
        let pattern = self.pattern(text, pattern, matches!(content, Content::Data(_)))?;
        Ok(Test::Content(content, Like::Matches(pattern), false))
    }

    /// What `contains` and `matches` can be asked of.
    fn bytes_or_text(&self, value: &Node) -> Result<Content, QueryError> {
        if let What::Word(word) = &value.what
            && let Some(field) = Field::named(word)
            && Content::named(field).is_none()
        {
            let what = format!("`{word}` is {}, no bytes and no text", field.kind.name());
            return Err(QueryError::new(
                what,
                value.place.clone(),
                "payload, hash, note or dev is expected",
            ));
        }
        if let What::Part(inner, Part::One(place)) = &value.what {
            let what = "one byte is a number";
            let end = place.saturating_add(1);
            return Err(QueryError::new(what, value.place.clone(), "bytes are expected")
                .help(format!("{inner}[{place}:{end}] is bytes")));
        }
        self.content(value)
    }

    /// Whether a request is of one of the devices whose names are so.
    fn devices(&self, field: &Field, is: impl Fn(&str) -> bool) -> Test {
        let all = self.surroundings.devices.iter().zip(0_u16..);
        let meant = all.filter(|(name, _)| is(name));
        let values = meant.map(|(_, number)| Value::Device(DeviceId(number))).collect();
        Test::OneOf(field.get, values, false)
    }

    fn pattern(&self, text: &str, node: &Node, bytes: bool) -> Result<Pattern, QueryError> {
        self.patterns.set(self.patterns.get() + 1);
        if self.patterns.get() > PATTERNS_MAX {
            let what = format!("more than {PATTERNS_MAX} regular expressions");
            return Err(QueryError::new(what, node.place.clone(), "one too many"));
        }
        // A letter of what is looked for in data is a byte.
        let parsed = regex_syntax::ParserBuilder::new()
            .utf8(!bytes)
            .unicode(!bytes)
            .nest_limit(PATTERN_DEPTH_MAX)
            .build()
            .parse(text);
        parsed.map_err(|error| wrong_pattern(&error, text, node))?;
        let compiled = if bytes {
            regex::bytes::RegexBuilder::new(text)
                .unicode(false)
                .nest_limit(PATTERN_DEPTH_MAX)
                .size_limit(PATTERN_BYTES_MAX)
                .dfa_size_limit(PATTERN_BYTES_MAX)
                .build()
                .map(Pattern::Bytes)
        } else {
            regex::RegexBuilder::new(text)
                .nest_limit(PATTERN_DEPTH_MAX)
                .size_limit(PATTERN_BYTES_MAX)
                .dfa_size_limit(PATTERN_BYTES_MAX)
                .build()
                .map(Pattern::Text)
        };
        compiled.map_err(|_| {
            let what = "the regular expression is too large";
            QueryError::new(what, node.place.clone(), "it takes more than 1 MiB")
        })
    }
}

/// The field of devices, if a part is that.
fn device(node: &Node) -> Option<&'static Field> {
    let What::Word(word) = &node.what else { return None };
    Field::named(word).filter(|field| field.kind == Kind::Device)
}

/// The bytes that a content is held against.
fn literal(content: Content, value: &Node, node: &Node) -> Result<Vec<u8>, QueryError> {
    let expected = match content {
        Content::Data(_) => "bytes or a string is expected",
        _ => "a string is expected",
    };
    let wrong = || {
        let what = format!("`{value}` is {}", content.kind());
        QueryError::new(what, node.place.clone(), expected)
    };
    match (&node.what, content) {
        (What::Text(text), _) => Ok(text.clone()),
        (What::Bytes(bytes), Content::Data(_)) => Ok(bytes.clone()),
        (What::Number(number), Content::Data(_)) => {
            Err(wrong().help(match u8::try_from(*number) {
                // Whoever writes 53 means the digits that stand in 53:ef.
                Ok(byte @ 0..100) => format!("one byte is written \"\\x{byte:02}\", several 53:ef"),
                Ok(byte) => format!("one byte is written \"\\x{byte:02x}\", several 53:ef"),
                Err(_) => "bytes are pairs of hexadecimal digits with : between them".to_owned(),
            }))
        }
        (What::Word(word), _) if Field::named(word).is_none() => {
            Err(wrong().help(format!("strings stand between quotes: \"{word}\"")))
        }
        _ => Err(wrong()),
    }
}

/// What a digest is compared with is the beginning of one.
fn digest(node: &Node) -> Result<(), QueryError> {
    let What::Text(text) = &node.what else { return Err(expected_text(node)) };
    let hex = text.strip_prefix(b"xxh3:");
    let is_one = hex.is_some_and(|hex| {
        hex.len() <= 32 && hex.iter().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'))
    });
    if is_one || text == b"zeroes" {
        return Ok(());
    }
    Err(QueryError::new("this is no digest", node.place.clone(), "not how one begins")
        .help("\"xxh3:\" and up to 32 of 0-9 a-f, or \"zeroes\""))
}

/// Some bytes are compared with as many.
fn as_long(part: Part, bytes: &[u8], node: &Node) -> Result<(), QueryError> {
    let Part::Between(from, Some(to)) = part else { return Ok(()) };
    if to - from == bytes.len() as u64 {
        return Ok(());
    }
    let what = format!("{} bytes are compared with {}", to - from, bytes.len());
    Err(QueryError::new(what, node.place.clone(), "never the same")
        .help("[from:to] counts from 0 and leaves its end out"))
}

fn expected_text(node: &Node) -> QueryError {
    QueryError::new("this is no text", node.place.clone(), "a string is expected")
}

/// What is wrong with a regular expression, at its place in the filter.
fn wrong_pattern(error: &regex_syntax::Error, text: &str, node: &Node) -> QueryError {
    let (span, why) = match error {
        regex_syntax::Error::Parse(error) => (*error.span(), error.kind().to_string()),
        regex_syntax::Error::Translate(error) => (*error.span(), error.kind().to_string()),
        _ => return QueryError::new("no regular expression", node.place.clone(), "not understood"),
    };
    // It begins behind the quote.
    let start = node.place.start + 1 + span.start.offset.min(text.len());
    let end = node.place.start + 1 + span.end.offset.min(text.len());
    let place = start..end.max(start);
    QueryError::new("this is no regular expression", place, why)
}

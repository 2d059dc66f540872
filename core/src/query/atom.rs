//! Tokens to the innermost parts of a tree: what stands between operators.
//!
//! Knows no fields. Invariant: what is opened is closed, or there is an error where it begins.

use std::ops::Range;

use super::error::QueryError;
use super::lex::Token;
use super::parse::{Parser, RESERVED};
use super::tree::{Call, Node, Part, What};

impl Parser {
    pub(super) fn factor(&mut self) -> Result<Node, QueryError> {
        let start = self.place().start;
        if self.sign("-") {
            let part = self.deeper(Parser::factor)?;
            return Ok(Node { what: What::Minus(Box::new(part)), place: self.since(start) });
        }
        let mut value = self.atom()?;
        loop {
            let opened = self.place();
            if !self.sign("[") {
                return Ok(value);
            }
            let part = self.part()?;
            self.close("]", opened)?;
            let what = What::Part(Box::new(value), part);
            value = Node { what, place: self.since(start) };
        }
    }

    /// Places between brackets: one, or two with `:` between them.
    fn part(&mut self) -> Result<Part, QueryError> {
        let from_place = self.place();
        let from = self.position();
        if !self.sign(":") {
            return from.map(Part::One).ok_or_else(|| self.unexpected("a place, or from:to"));
        }
        let to = self.position();
        if to.is_none() && !matches!(self.peek(), Some(Token::Sign("]")) | None) {
            return Err(self.unexpected("a place, or `]`"));
        }
        let from = from.unwrap_or(0);
        if to.is_some_and(|to| to <= from) {
            let place = self.since(from_place.start);
            return Err(QueryError::new("there is nothing between these places", place, "empty")
                .help("[from:to] counts from 0 and leaves its end out"));
        }
        Ok(Part::Between(from, to))
    }

    fn position(&mut self) -> Option<u64> {
        let Some(Token::Number(number)) = self.peek() else { return None };
        let number = u64::try_from(*number).ok()?;
        self.at += 1;
        Some(number)
    }

    fn atom(&mut self) -> Result<Node, QueryError> {
        let place = self.place();
        if self.sign("(") {
            let inside = self.deeper(Parser::or)?;
            self.close(")", place.clone())?;
            return Ok(Node { place: self.since(place.start), ..inside });
        }
        if self.word("has") {
            let opened = self.place();
            self.expect("(")?;
            let field = match self.peek() {
                Some(Token::Word(word)) if !RESERVED.contains(&word.as_str()) => self.atom()?,
                _ => return Err(self.unexpected("the name of a field")),
            };
            self.close(")", opened)?;
            return Ok(Node { what: What::Has(Box::new(field)), place: self.since(place.start) });
        }
        let what = match self.peek() {
            Some(Token::Number(number)) => What::Number(*number),
            Some(Token::Span(nanos)) => What::Span(*nanos),
            Some(Token::Percent(parts)) => What::Percent(*parts),
            Some(Token::Text(text)) => What::Text(text.clone()),
            Some(Token::Bytes(bytes)) => What::Bytes(bytes.clone()),
            Some(Token::Mark(name)) => What::Mark(name.clone()),
            Some(Token::Clock(nanos)) => What::Clock(*nanos),
            Some(Token::Word(word)) if !RESERVED.contains(&word.as_str()) => {
                What::Word(word.clone())
            }
            _ => return Err(self.unexpected("a field, a name or a number")),
        };
        self.at += 1;
        let opened = self.place();
        if let What::Word(name) = &what
            && self.sign("(")
        {
            let call = self.call(name.clone(), opened)?;
            return Ok(Node { what: What::Call(call), place: self.since(place.start) });
        }
        Ok(Node { what, place })
    }

    /// What a function is asked about, behind its `(`.
    fn call(&mut self, name: String, opened: Range<usize>) -> Result<Call, QueryError> {
        let mut arguments = Vec::new();
        let bare = matches!(self.peek(), Some(Token::Sign(")")) | None)
            || matches!(self.peek(), Some(Token::Word(word)) if word == "where");
        if !bare {
            arguments.push(self.deeper(Parser::or)?);
            while self.sign(",") {
                arguments.push(self.deeper(Parser::or)?);
            }
        }
        let mut of = None;
        if self.word("where") {
            of = Some(Box::new(self.deeper(Parser::or)?));
        }
        self.close(")", opened)?;
        Ok(Call { name, arguments, of })
    }
}

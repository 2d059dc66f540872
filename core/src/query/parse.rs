//! Tokens to a tree.
//!
//! `or` binds least, then `and`, `not`, comparisons (which do not chain), `+ -`, `* / % &`, and `-` before a number. Knows no
//! fields. Invariant: all tokens are used, or there is an error at the first that cannot be.

use std::ops::Range;

use super::error::QueryError;
use super::lex::{Token, lex};
use super::tree::{Item, Items, Limits, Node, Operator, Relation, What};

/// Parentheses, `not` and `-` inside of each other.
const DEPTH_MAX: usize = 200;

/// Words that are no names.
const RESERVED: [&str; 12] =
    ["and", "or", "not", "in", "overlaps", "has", "eq", "ne", "lt", "le", "gt", "ge"];

/// The tree of a text.
pub(super) fn parse(text: &str) -> Result<Node, QueryError> {
    let mut parser = Parser { tokens: lex(text)?, at: 0, end: text.len(), depth: 0 };
    if parser.tokens.is_empty() {
        return Err(QueryError::new("the filter is empty", 0..0, "an expression is expected"));
    }
    let node = parser.or()?;
    match parser.peek() {
        None => Ok(node),
        Some(_) => Err(parser.unexpected("and, or, or the end")),
    }
}

struct Parser {
    tokens: Vec<(Token, Range<usize>)>,
    at: usize,
    end: usize,
    depth: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(token, _)| token)
    }

    /// The place of the next token, or the end of the text.
    fn place(&self) -> Range<usize> {
        self.tokens.get(self.at).map_or(self.end..self.end, |(_, place)| place.clone())
    }

    /// From `start` to the end of the last token that was used.
    fn since(&self, start: usize) -> Range<usize> {
        let last = self.at.checked_sub(1).and_then(|at| self.tokens.get(at));
        start..last.map_or(start, |(_, place)| place.end)
    }

    fn sign(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Sign(found)) if *found == sign);
        self.at += usize::from(found);
        found
    }

    fn word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Word(found)) if found == word);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, sign: &'static str) -> Result<(), QueryError> {
        if self.sign(sign) { Ok(()) } else { Err(self.unexpected(&format!("`{sign}`"))) }
    }

    fn unexpected(&self, expected: &str) -> QueryError {
        let what = match self.peek() {
            None => "the filter ends too early".to_owned(),
            Some(Token::Word(word)) => format!("`{word}` cannot stand here"),
            Some(Token::Number(_) | Token::Span(_)) => "a number cannot stand here".to_owned(),
            Some(Token::Sign(sign)) => format!("`{sign}` cannot stand here"),
        };
        let error = QueryError::new(what, self.place(), format!("expected {expected}"));
        match self.peek() {
            Some(Token::Sign("=")) => error.help("use `==` to compare"),
            Some(Token::Sign("|")) => error.help("use `||` or `or`"),
            Some(Token::Sign("&")) => error.help("use `&&` or `and`"),
            _ => error,
        }
    }

    /// Goes one deeper for as long as `inside` takes.
    fn deeper<T>(
        &mut self,
        inside: impl FnOnce(&mut Parser) -> Result<T, QueryError>,
    ) -> Result<T, QueryError> {
        if self.depth == DEPTH_MAX {
            let what = format!("more than {DEPTH_MAX} parts inside of each other");
            return Err(QueryError::new(what, self.place(), "too deep"));
        }
        self.depth += 1;
        let outcome = inside(self);
        self.depth -= 1;
        outcome
    }

    fn or(&mut self) -> Result<Node, QueryError> {
        self.list(["or", "||"], What::Or, Parser::and)
    }

    fn and(&mut self) -> Result<Node, QueryError> {
        self.list(["and", "&&"], What::And, Parser::not)
    }

    /// One part or several, with a word or a sign between them.
    fn list(
        &mut self,
        [word, sign]: [&str; 2],
        several: fn(Vec<Node>) -> What,
        part: fn(&mut Parser) -> Result<Node, QueryError>,
    ) -> Result<Node, QueryError> {
        let start = self.place().start;
        let first = part(self)?;
        let mut parts = vec![first];
        while self.word(word) || self.sign(sign) {
            parts.push(part(self)?);
        }
        if parts.len() == 1 {
            return Ok(parts.remove(0));
        }
        Ok(Node { what: several(parts), place: self.since(start) })
    }

    fn not(&mut self) -> Result<Node, QueryError> {
        let start = self.place().start;
        if self.word("not") || self.sign("!") {
            let part = self.deeper(Parser::not)?;
            return Ok(Node { what: What::Not(Box::new(part)), place: self.since(start) });
        }
        self.test()
    }

    fn test(&mut self) -> Result<Node, QueryError> {
        let start = self.place().start;
        let left = self.sum()?;
        let what = if let Some(relation) = self.relation() {
            let right = self.sum()?;
            if self.relation().is_some() {
                self.at -= 1;
                let what = "comparisons do not follow each other".to_owned();
                return Err(QueryError::new(what, self.place(), "a second one")
                    .help("write both with `and` between them, or use `in`"));
            }
            What::Compare(relation, Box::new(left), Box::new(right))
        } else if self.word("overlaps") {
            What::Overlaps(Box::new(left), Box::new(self.limits()?))
        } else if self.word("in") {
            What::In { value: Box::new(left), not: false, items: self.items()? }
        } else if matches!(self.peek(), Some(Token::Word(word)) if word == "not") {
            self.at += 1;
            if !self.word("in") {
                return Err(self.unexpected("`in`"));
            }
            What::In { value: Box::new(left), not: true, items: self.items()? }
        } else {
            return Ok(left);
        };
        Ok(Node { what, place: self.since(start) })
    }

    fn relation(&mut self) -> Option<Relation> {
        let found = Relation::NAMES.iter().find(|(_, sign, word)| match self.peek() {
            Some(Token::Sign(found)) => found == sign,
            Some(Token::Word(found)) => found == word,
            _ => false,
        });
        self.at += usize::from(found.is_some());
        found.map(|(relation, ..)| *relation)
    }

    fn items(&mut self) -> Result<Items, QueryError> {
        if !self.sign("{") {
            return Ok(Items::Limits(Box::new(self.limits()?)));
        }
        let mut items = Vec::new();
        while !self.sign("}") {
            items.push(self.item()?);
            self.sign(",");
        }
        if items.is_empty() {
            self.at -= 1;
            return Err(self.unexpected("a value"));
        }
        Ok(Items::Set(items))
    }

    fn item(&mut self) -> Result<Item, QueryError> {
        let low = if self.is_range_sign() { None } else { Some(self.sum()?) };
        if self.is_range_sign() {
            return Ok(Item::Limits(self.upper(low)?));
        }
        // Without a sign of a range there is a value.
        low.map(Item::One).ok_or_else(|| self.unexpected("a value"))
    }

    fn is_range_sign(&self) -> bool {
        matches!(self.peek(), Some(Token::Sign(".." | "..=")))
    }

    fn limits(&mut self) -> Result<Limits, QueryError> {
        let low = if self.is_range_sign() { None } else { Some(self.sum()?) };
        if !self.is_range_sign() {
            return Err(self.unexpected("`..` or `..=`"));
        }
        self.upper(low)
    }

    /// The second half of a range.
    fn upper(&mut self, low: Option<Node>) -> Result<Limits, QueryError> {
        let inclusive = self.sign("..=");
        if !inclusive {
            self.expect("..")?;
        }
        let ends = match self.peek() {
            None | Some(Token::Sign(")" | "}" | "," | "&&" | "||")) => true,
            Some(Token::Word(word)) => word == "and" || word == "or",
            Some(_) => false,
        };
        if ends && (inclusive || low.is_none()) {
            return Err(self.unexpected("where the range ends"));
        }
        let high = if ends { None } else { Some(self.sum()?) };
        Ok(Limits { low, high, inclusive })
    }

    fn sum(&mut self) -> Result<Node, QueryError> {
        self.arithmetic(&[Operator::Plus, Operator::Minus], Parser::term)
    }

    fn term(&mut self) -> Result<Node, QueryError> {
        let operators = [Operator::Times, Operator::Over, Operator::Modulo, Operator::And];
        self.arithmetic(&operators, Parser::factor)
    }

    fn arithmetic(
        &mut self,
        operators: &[Operator],
        part: fn(&mut Parser) -> Result<Node, QueryError>,
    ) -> Result<Node, QueryError> {
        let start = self.place().start;
        let mut left = part(self)?;
        loop {
            let found = operators.iter().find(|one| {
                matches!(self.peek(), Some(Token::Sign(sign)) if *sign == Operator::NAMES[**one as usize].1)
            });
            let Some(operator) = found else { return Ok(left) };
            self.at += 1;
            let right = part(self)?;
            let what = What::Arithmetic(*operator, Box::new(left), Box::new(right));
            left = Node { what, place: self.since(start) };
        }
    }

    fn factor(&mut self) -> Result<Node, QueryError> {
        let start = self.place().start;
        if self.sign("-") {
            let part = self.deeper(Parser::factor)?;
            return Ok(Node { what: What::Minus(Box::new(part)), place: self.since(start) });
        }
        self.atom()
    }

    fn atom(&mut self) -> Result<Node, QueryError> {
        let place = self.place();
        if self.sign("(") {
            let inside = self.deeper(Parser::or)?;
            self.expect(")")?;
            return Ok(Node { place: self.since(place.start), ..inside });
        }
        if self.word("has") {
            self.expect("(")?;
            let field = match self.peek() {
                Some(Token::Word(word)) if !RESERVED.contains(&word.as_str()) => self.atom()?,
                _ => return Err(self.unexpected("the name of a field")),
            };
            self.expect(")")?;
            return Ok(Node { what: What::Has(Box::new(field)), place: self.since(place.start) });
        }
        let what = match self.peek() {
            Some(Token::Number(number)) => What::Number(*number),
            Some(Token::Span(nanos)) => What::Span(*nanos),
            Some(Token::Word(word)) if !RESERVED.contains(&word.as_str()) => {
                What::Word(word.clone())
            }
            _ => return Err(self.unexpected("a field, a name or a number")),
        };
        self.at += 1;
        Ok(Node { what, place })
    }
}

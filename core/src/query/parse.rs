//! Tokens to a tree.
//!
//! `or` binds least, then `and`, `not`, comparisons (which do not chain), `+ -`, `* / % &`, and `-` before a number. Knows no
//! fields. Invariant: all tokens are used, or there is an error at the first that cannot be.

use std::ops::Range;

use super::error::QueryError;
use super::lex::{RANGES, Token, lex};
use super::tree::{Item, Items, Limits, Node, Operator, Relation, What};

/// Parentheses, `not` and `-` inside of each other.
const DEPTH_MAX: usize = 200;

/// Words that are no names.
pub(super) const RESERVED: [&str; 15] = [
    "and", "or", "not", "in", "overlaps", "contains", "matches", "where", "has", "eq", "ne", "lt",
    "le", "gt", "ge",
];

/// The tree of a text.
pub(super) fn parse(text: &str) -> Result<Node, QueryError> {
    let mut parser = Parser::of(text, "the filter is empty")?;
    let node = parser.or()?;
    parser.finish("and, or, or the end")?;
    Ok(node)
}

pub(super) struct Parser {
    tokens: Vec<(Token, Range<usize>)>,
    pub(super) at: usize,
    end: usize,
    depth: usize,
}

impl Parser {
    /// A parser at the beginning of a text; `empty` is what is said if there is nothing in it.
    pub(super) fn of(text: &str, empty: &str) -> Result<Parser, QueryError> {
        let tokens = lex(text)?;
        if tokens.is_empty() {
            return Err(QueryError::new(empty, 0..0, "an expression is expected"));
        }
        Ok(Parser { tokens, at: 0, end: text.len(), depth: 0 })
    }

    /// Refuses what is left.
    pub(super) fn finish(&self, expected: &str) -> Result<(), QueryError> {
        self.peek().map_or(Ok(()), |_| Err(self.unexpected(expected)))
    }

    pub(super) fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(token, _)| token)
    }

    /// The place of the next token, or the end of the text.
    pub(super) fn place(&self) -> Range<usize> {
        self.tokens.get(self.at).map_or(self.end..self.end, |(_, place)| place.clone())
    }

    /// From `start` to the end of the last token that was used.
    pub(super) fn since(&self, start: usize) -> Range<usize> {
        let last = self.at.checked_sub(1).and_then(|at| self.tokens.get(at));
        start..last.map_or(start, |(_, place)| place.end)
    }

    pub(super) fn sign(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Sign(found)) if *found == sign);
        self.at += usize::from(found);
        found
    }

    pub(super) fn word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Word(found)) if found == word);
        self.at += usize::from(found);
        found
    }

    pub(super) fn expect(&mut self, sign: &'static str) -> Result<(), QueryError> {
        if self.sign(sign) { Ok(()) } else { Err(self.unexpected(&format!("`{sign}`"))) }
    }

    /// Takes the sign that closes what was opened at `opened`.
    pub(super) fn close(
        &mut self,
        sign: &'static str,
        opened: Range<usize>,
    ) -> Result<(), QueryError> {
        if self.peek().is_none() {
            let open = match sign {
                ")" => "(",
                "]" => "[",
                _ => "{",
            };
            let what = format!("`{open}` is not closed");
            return Err(QueryError::new(what, opened, format!("no `{sign}` follows")));
        }
        self.expect(sign)
    }

    pub(super) fn unexpected(&self, expected: &str) -> QueryError {
        let what = match self.peek() {
            None => "the filter ends too early".to_owned(),
            Some(Token::Word(word)) => format!("`{word}` cannot stand here"),
            Some(Token::Sign(sign)) => format!("`{sign}` cannot stand here"),
            Some(Token::Number(_) | Token::Span(_) | Token::Percent(_)) => {
                "a number cannot stand here".to_owned()
            }
            Some(Token::Text(_) | Token::Pattern(_)) => "a string cannot stand here".to_owned(),
            Some(Token::Bytes(_)) => "bytes cannot stand here".to_owned(),
            Some(Token::Mark(_) | Token::Clock(_)) => "a time cannot stand here".to_owned(),
        };
        let error = QueryError::new(what, self.place(), format!("expected {expected}"));
        let begins = self.at == 0;
        match self.peek() {
            Some(Token::Sign("=")) => error.help("use `==` to compare"),
            Some(Token::Sign(">")) if self.follows_sign("<") => error.help("use `!=`"),
            Some(Token::Sign("|")) => error.help("use `||` or `or`"),
            Some(Token::Sign("&")) => error.help("use `&&` or `and`"),
            Some(Token::Sign("^")) => {
                error.help("there is no exclusive or; write (a or b) and not (a and b)")
            }
            Some(Token::Sign("&&" | "||")) if begins => {
                error.help("it joins two parts, and there is none before it")
            }
            Some(Token::Word(word)) => match word.as_str() {
                "and" | "or" | "in" | "contains" | "matches" | "overlaps" if begins => {
                    error.help(format!("what is before `{word}`?"))
                }
                "where" => error.help("`where` stands in functions: count(write where fua)"),
                "like" => error.help("use `contains` or `matches`"),
                "xor" => error.help("there is no exclusive or; write (a or b) and not (a and b)"),
                "between" => error.help("use `in`, as in len in 4k..=64k"),
                _ if self.follows_a_value() => error.help("put `and` or `or` between the two"),
                _ => error,
            },
            _ => error,
        }
    }

    fn follows_sign(&self, sign: &'static str) -> bool {
        let last = self.at.checked_sub(1).and_then(|at| self.tokens.get(at));
        last.is_some_and(|(token, _)| *token == Token::Sign(sign))
    }

    /// Whether what stands before the next token ends a part.
    fn follows_a_value(&self) -> bool {
        let last = self.at.checked_sub(1).and_then(|at| self.tokens.get(at));
        match last.map(|(token, _)| token) {
            None => false,
            Some(Token::Sign(sign)) => matches!(*sign, ")" | "}" | "]"),
            Some(Token::Word(word)) => !RESERVED.contains(&word.as_str()),
            Some(_) => true,
        }
    }

    /// Goes one deeper for as long as `inside` takes.
    pub(super) fn deeper<T>(
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

    pub(super) fn or(&mut self) -> Result<Node, QueryError> {
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
        } else if self.word("contains") {
            What::Contains(Box::new(left), Box::new(self.sum()?))
        } else if self.word("matches") || self.sign("~") {
            What::Matches(Box::new(left), Box::new(self.pattern()?))
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

    pub(super) fn relation(&mut self) -> Option<Relation> {
        let found = Relation::NAMES.iter().find(|(_, sign, word)| match self.peek() {
            Some(Token::Sign(found)) => found == sign,
            Some(Token::Word(found)) => found == word,
            _ => false,
        });
        self.at += usize::from(found.is_some());
        found.map(|(relation, ..)| *relation)
    }

    /// A regular expression between quotes.
    fn pattern(&mut self) -> Result<Node, QueryError> {
        let Some(Token::Pattern(pattern)) = self.peek() else {
            return Err(self.unexpected("a regular expression as a string"));
        };
        let node = Node { what: What::Pattern(pattern.clone()), place: self.place() };
        self.at += 1;
        Ok(node)
    }

    fn items(&mut self) -> Result<Items, QueryError> {
        let opened = self.place();
        if !self.sign("{") {
            return Ok(Items::Limits(Box::new(self.limits()?)));
        }
        let mut items = Vec::new();
        while !self.sign("}") {
            if self.peek().is_none() {
                self.close("}", opened.clone())?;
            }
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
            let error = self.unexpected("`..` or `..=`");
            return Err(if error.help.is_some() { error } else { error.help(RANGES) });
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
            Some(Token::Word(word)) => ["and", "or", "where"].contains(&word.as_str()),
            Some(_) => false,
        };
        if ends && (inclusive || low.is_none()) {
            return Err(self.unexpected("where the range ends"));
        }
        let high = if ends { None } else { Some(self.sum()?) };
        Ok(Limits { low, high, inclusive })
    }

    pub(super) fn sum(&mut self) -> Result<Node, QueryError> {
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
}

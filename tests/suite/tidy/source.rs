//! The repository as the rules see it: files, and the tokens of the Rust ones.
//!
//! Knows no rule. Invariant: a token stands on the line that its number says.

use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// The top of the repository.
pub(super) fn repository() -> PathBuf {
    let cli = Path::new(env!("CARGO_MANIFEST_DIR"));
    cli.parent().expect("cli lies in the repository").to_owned()
}

/// All files below a directory, but for what is built and what git keeps.
pub(super) struct Tree {
    root: PathBuf,
    /// Paths from `root`, with `/` between their parts, in order.
    files: Vec<String>,
    empty: Vec<String>,
}

impl Tree {
    pub(super) fn of_repository() -> Tree {
        Tree::at(&repository())
    }

    pub(super) fn at(root: &Path) -> Tree {
        let mut tree = Tree { root: root.to_owned(), files: Vec::new(), empty: Vec::new() };
        tree.walk(root);
        tree.files.sort();
        tree
    }

    /// Paths of all files.
    pub(super) fn files(&self) -> &[String] {
        &self.files
    }

    /// Directories that hold nothing at all.
    pub(super) fn empty_directories(&self) -> &[String] {
        &self.empty
    }

    /// Where a file is.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// The text of one file.
    pub(super) fn read(&self, path: &str) -> String {
        String::from_utf8_lossy(&fs::read(self.path(path)).unwrap()).into_owned()
    }

    /// The Rust files.
    pub(super) fn sources(&self) -> Vec<Source> {
        let rust = self
            .files
            .iter()
            .filter(|path| Path::new(path).extension().is_some_and(|extension| extension == "rs"));
        let mut sources: Vec<Source> =
            rust.map(|path| Source::new(path, &self.read(path))).collect();
        let for_tests: Vec<String> = sources.iter().flat_map(Source::modules_for_tests).collect();
        for source in &mut sources {
            source.is_for_tests = for_tests.contains(&source.path);
        }
        sources
    }

    fn walk(&mut self, directory: &Path) {
        let mut entries = 0;
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().expect("names here are UTF-8");
            entries += 1;
            if ["target", ".git", "__pycache__"].contains(&name) {
                continue;
            }
            if path.is_dir() {
                self.walk(&path);
            } else {
                let path = self.relative(&path);
                self.files.push(path);
            }
        }
        if entries == 0 {
            let path = self.relative(directory);
            self.empty.push(path);
        }
    }

    fn relative(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap().to_str().unwrap().to_owned()
    }
}

/// One Rust file.
pub(super) struct Source {
    pub(super) path: String,
    pub(super) text: String,
    /// Its `mod` stands under `#[cfg(test)]`. Known only to a source that comes from a tree.
    pub(super) is_for_tests: bool,
    /// Every token in order, delimiters included, comments not. Doc comments are attributes.
    pub(super) tokens: Vec<Token>,
}

/// One token, and the line it stands on, from 1.
#[derive(Clone)]
pub(super) struct Token {
    pub(super) text: String,
    pub(super) line: usize,
}

impl Source {
    pub(super) fn new(path: &str, text: &str) -> Source {
        let stream: TokenStream = text.parse().unwrap_or_else(|error| panic!("{path}: {error}"));
        let mut tokens = Vec::new();
        flatten(stream, &mut tokens);
        Source { path: path.to_owned(), text: text.to_owned(), is_for_tests: false, tokens }
    }

    /// The files of the modules that this one declares for tests only.
    fn modules_for_tests(&self) -> Vec<String> {
        const MARK: [&str; 8] = ["#", "[", "cfg", "(", "test", ")", "]", "mod"];
        let Some((folder, file)) = self.path.rsplit_once('/') else { return Vec::new() };
        let folder = match file {
            "mod.rs" | "lib.rs" | "main.rs" => folder.to_owned(),
            _ => self.path.trim_end_matches(".rs").to_owned(),
        };
        let declared = self
            .tokens
            .windows(MARK.len() + 2)
            .filter(|tokens| starts_with(tokens, &MARK) && tokens[MARK.len() + 1].text == ";");
        declared.map(|tokens| format!("{folder}/{}.rs", tokens[MARK.len()].text)).collect()
    }

    /// The tokens without what is compiled for tests only.
    pub(super) fn production(&self) -> Vec<Token> {
        if self.is_for_tests {
            return Vec::new();
        }
        let mut kept = Vec::new();
        let mut place = 0;
        while place < self.tokens.len() {
            let rest = &self.tokens[place..];
            let marked = starts_with(rest, &["#", "[", "cfg", "(", "test", ")", "]"])
                || starts_with(rest, &["#", "[", "test", "]"]);
            if marked {
                place += item_length(rest);
            } else {
                kept.push(self.tokens[place].clone());
                place += 1;
            }
        }
        kept
    }

    /// `path:line: what`.
    pub(super) fn fault(&self, line: usize, what: &str) -> String {
        format!("{}:{line}: {what}", self.path)
    }
}

/// Whether `tokens` begins with these texts.
pub(super) fn starts_with(tokens: &[Token], texts: &[&str]) -> bool {
    tokens.len() >= texts.len() && tokens.iter().zip(texts).all(|(token, text)| token.text == *text)
}

/// The place of the delimiter that closes the one at `open`.
pub(super) fn closing(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0;
    for (place, token) in tokens.iter().enumerate().skip(open) {
        match token.text.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return place;
        }
    }
    unreachable!("a token stream has balanced delimiters")
}

/// The place of the first `{` or `;` of an item that begins at 0, outside of any other delimiter.
pub(super) fn body(tokens: &[Token]) -> Option<usize> {
    let mut place = 0;
    while place < tokens.len() {
        match tokens[place].text.as_str() {
            "{" | ";" => return Some(place),
            "(" | "[" => place = closing(tokens, place),
            _ => {}
        }
        place += 1;
    }
    None
}

/// How many tokens the item at the start of `tokens` has, attributes included.
fn item_length(tokens: &[Token]) -> usize {
    match body(tokens) {
        Some(place) if tokens[place].text == "{" => closing(tokens, place) + 1,
        Some(place) => place + 1,
        None => tokens.len(),
    }
}

fn flatten(stream: TokenStream, tokens: &mut Vec<Token>) {
    for tree in stream {
        let line = tree.span().start().line;
        match tree {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                tokens.push(Token { text: open.to_owned(), line });
                flatten(group.stream(), tokens);
                let line = group.span_close().end().line;
                tokens.push(Token { text: close.to_owned(), line });
            }
            other => tokens.push(Token { text: other.to_string(), line }),
        }
    }
}

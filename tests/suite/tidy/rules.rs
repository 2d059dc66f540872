//! The rules about single files and about the tree, but for the layers. Files come in, faults go out.
//!
//! Invariant: a fault names its file and, where there is one, its line.

use std::path::Path;
use std::process::Command;

use super::source::{Source, Token, Tree, body, closing, starts_with};

/// Longest file, in lines before its tests.
const FILE_LINES_MAX: usize = 400;

/// Longest function, in lines from its name to its closing brace.
const FUNCTION_LINES_MAX: usize = 70;

/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 7] = ["utils", "util", "common", "helpers", "misc", "types", "manager"];

/// Words that put something off; in two parts, so that this file does not hold them.
const LATER: [(&str, &str); 3] = [("TO", "DO"), ("FIX", "ME"), ("XX", "X")];

/// Macros that have no place in code that is done.
const UNDONE: [&str; 3] = ["todo", "unimplemented", "dbg"];

const PRINTING: [&str; 4] = ["print", "println", "eprint", "eprintln"];

/// The one file that prints.
const PRINTER: &str = "cli/src/printer.rs";

pub(super) fn file_length(source: &Source) -> Vec<String> {
    let lines = source.text.lines().take_while(|line| *line != "#[cfg(test)]").count();
    let what = format!("{lines} lines before the tests; limit {FILE_LINES_MAX}");
    if lines > FILE_LINES_MAX && !source.is_for_tests {
        vec![source.fault(lines, &what)]
    } else {
        Vec::new()
    }
}

pub(super) fn function_length(source: &Source) -> Vec<String> {
    let mut faults = Vec::new();
    for (place, token) in source.tokens.iter().enumerate() {
        let rest = &source.tokens[place..];
        let named = rest.get(1).is_some_and(|name| name.text != "(");
        if token.text != "fn" || !named {
            continue;
        }
        let Some(open) = body(rest).filter(|open| rest[*open].text == "{") else { continue };
        let lines = rest[closing(rest, open)].line - token.line + 1;
        if lines > FUNCTION_LINES_MAX {
            let what = format!("`{}` has {lines} lines; limit {FUNCTION_LINES_MAX}", rest[1].text);
            faults.push(source.fault(token.line, &what));
        }
    }
    faults
}

pub(super) fn module_header(source: &Source) -> Vec<String> {
    if source.text.starts_with("//! ") {
        Vec::new()
    } else {
        vec![source.fault(1, "does not open with `//!`: what comes in, what goes out")]
    }
}

pub(super) fn printing(source: &Source) -> Vec<String> {
    let prints = ["tests/", "core/benches/"].iter().any(|place| source.path.starts_with(place));
    if source.path == PRINTER || prints {
        return Vec::new();
    }
    macro_uses(&source.production(), source, &PRINTING, "only the printer prints")
}

pub(super) fn outside_world(source: &Source) -> Vec<String> {
    if !source.path.starts_with("core/src/") {
        return Vec::new();
    }
    let tokens = source.production();
    let mut faults = Vec::new();
    for (place, token) in tokens.iter().enumerate() {
        let rest = &tokens[place..];
        let clock = starts_with(rest, &["Instant", ":", ":", "now"])
            || starts_with(rest, &["SystemTime", ":", ":", "now"]);
        if clock {
            faults.push(source.fault(token.line, "core reads no clock; it is passed in"));
        }
        if names_environment(rest) {
            faults.push(source.fault(token.line, "core reads no environment"));
        }
    }
    faults
}

/// Whether `std::env`, alone or in a group, stands at the start.
fn names_environment(tokens: &[Token]) -> bool {
    if !starts_with(tokens, &["std", ":", ":"]) || tokens.len() < 4 {
        return false;
    }
    let rest = &tokens[3..];
    match rest[0].text.as_str() {
        "{" => rest[..closing(rest, 0)].iter().any(|token| token.text == "env"),
        first => first == "env",
    }
}

pub(super) fn banned_words(source: &Source) -> Vec<String> {
    let mut faults = macro_uses(&source.tokens, source, &UNDONE, "is for code that is not done");
    for (number, line) in source.text.lines().enumerate() {
        for (start, end) in LATER {
            let word = format!("{start}{end}");
            if line.split(|c: char| !c.is_alphanumeric()).any(|found| found == word) {
                let what = format!("`{word}`: do it, or write an issue");
                faults.push(source.fault(number + 1, &what));
            }
        }
    }
    for (place, token) in source.tokens.iter().enumerate() {
        let rest = &source.tokens[place..];
        let allows = starts_with(rest, &["#", "[", "allow", "("])
            || starts_with(rest, &["#", "!", "[", "allow", "("]);
        if allows {
            faults.push(source.fault(token.line, "`allow`: write `expect` with a reason"));
        }
    }
    faults
}

/// Each use of one of the macros `names`.
fn macro_uses(tokens: &[Token], source: &Source, names: &[&str], why: &str) -> Vec<String> {
    let uses = tokens
        .windows(2)
        .filter(|pair| names.contains(&pair[0].text.as_str()) && pair[1].text == "!");
    uses.map(|pair| source.fault(pair[0].line, &format!("`{}!` {why}", pair[0].text))).collect()
}

pub(super) fn file_name(source: &Source) -> Vec<String> {
    let mut parts = source.path.trim_end_matches(".rs").split('/');
    match parts.find(|part| EMPTY_NAMES.contains(part)) {
        Some(part) => vec![source.fault(1, &format!("`{part}` says nothing about what is inside"))],
        None => Vec::new(),
    }
}

pub(super) fn empty_file(source: &Source) -> Vec<String> {
    // A doc comment is an attribute: `# ! [ doc = "…" ]`.
    let mut tokens = source.tokens.as_slice();
    while starts_with(tokens, &["#", "!", "["]) {
        tokens = &tokens[closing(tokens, 2) + 1..];
    }
    if tokens.is_empty() { vec![source.fault(1, "holds nothing")] } else { Vec::new() }
}

/// Rust files that no `mod` names and cargo does not find by itself.
pub(super) fn orphans(tree: &Tree) -> Vec<String> {
    let sources = tree.sources();
    let orphaned =
        sources.iter().filter(|source| !is_root(&source.path) && !is_named(source, &sources));
    orphaned.map(|source| source.path.clone()).collect()
}

/// Whether cargo compiles the file without being asked.
fn is_root(path: &str) -> bool {
    ["src/lib.rs", "src/main.rs", "tests/suite/main.rs"].iter().any(|root| path.ends_with(root))
        || ["/benches/", "/examples/", "/fuzz_targets/", "/src/bin/"]
            .iter()
            .any(|folder| path.contains(folder))
}

/// Whether the file above `source` declares it.
fn is_named(source: &Source, sources: &[Source]) -> bool {
    let path = source.path.trim_end_matches(".rs").trim_end_matches("/mod");
    let Some((above, name)) = path.rsplit_once('/') else { return false };
    let parents = ["/mod.rs", "/lib.rs", "/main.rs", ".rs"].map(|end| format!("{above}{end}"));
    let declares = |parent: &Source| {
        parent.tokens.windows(2).any(|pair| pair[0].text == "mod" && pair[1].text == name)
    };
    sources.iter().any(|parent| parents.contains(&parent.path) && declares(parent))
}

/// Everything that cargo would make a program of.
pub(super) fn programs(tree: &Tree) -> Vec<String> {
    let mut programs = Vec::new();
    for path in tree.files() {
        if path.ends_with("src/main.rs") || path.contains("src/bin/") {
            programs.push(path.clone());
        } else if path.ends_with("Cargo.toml") && !path.starts_with("tests/fuzz/") {
            let declared = tree.read(path).matches("[[bin]]").count();
            programs.extend(std::iter::repeat_n(path.clone(), declared));
        }
    }
    programs
}

/// Fixtures that no test names or that the fixtures' README does not list.
pub(super) fn fixtures(tree: &Tree) -> Vec<String> {
    let files = || tree.files().iter().filter_map(|path| path.strip_prefix("fixtures/data/"));
    if files().next().is_none() {
        return Vec::new();
    }
    let readme = tree.read("fixtures/README.md");
    let rust: String = tree.sources().iter().map(|source| source.text.as_str()).collect();
    let mut faults = Vec::new();
    for file in files() {
        if !readme.contains(file) {
            faults.push(format!("fixtures/data/{file}: not listed in fixtures/README.md"));
        }
        if !rust.contains(file) {
            faults.push(format!("fixtures/data/{file}: no test names it"));
        }
    }
    faults
}

/// Fixtures whose bytes are not those that the fixtures' README has the sum of. Each needs a sum, but for texts
/// that it says follow the code; a trace never does.
pub(super) fn fixture_sums(tree: &Tree) -> Vec<String> {
    let readme = tree.read("fixtures/README.md");
    let mut faults = Vec::new();
    for path in tree.files().iter().filter(|path| path.starts_with("fixtures/data/")) {
        let listed = format!("| `{}` |", path.trim_start_matches("fixtures/data/"));
        let row = readme.lines().find(|line| line.starts_with(&listed)).unwrap_or_default();
        let sum = sha256(&tree.path(path));
        let is_trace = Path::new(path).extension().is_some_and(|extension| extension == "blkr");
        let follows = row.contains("| follows the code |") && !is_trace;
        if !follows && !row.contains(&format!("| `{sum}` |")) {
            faults.push(format!("{path}: its sum, {sum}, is not the one in fixtures/README.md"));
        }
    }
    faults
}

/// The SHA-256 of a file, in hex digits.
fn sha256(path: &Path) -> String {
    let output = Command::new("sha256sum").arg(path).output().expect("coreutils has sha256sum");
    assert!(output.status.success(), "{output:?}");
    // A backslash in front says that the name behind the sum has some.
    let printed = String::from_utf8(output.stdout).expect("the path is text");
    printed.trim_start_matches('\\').split(' ').next().unwrap_or_default().to_owned()
}

/// Modules that are declared without a comment above.
pub(super) fn modules_without_a_word(source: &Source) -> Vec<String> {
    let lines: Vec<&str> = source.text.lines().collect();
    let mut bare = Vec::new();
    for (place, line) in lines.iter().enumerate() {
        let above = if place == 0 { "" } else { lines[place - 1] };
        if line.starts_with("mod ") && !above.starts_with("//") {
            bare.push(
                source.fault(place + 1, &format!("`{line}` does not say what belongs there")),
            );
        }
    }
    bare
}

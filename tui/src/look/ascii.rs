//! Signs of ASCII for those that views draw. A sign in, one of the same width out.
//!
//! Invariant: every sign that a view draws has its own here; what comes out of a trace, such as a name, may have none.

/// What stands for a sign that has none.
pub(super) const UNKNOWN: char = '?';

/// From little to much: for blocks of eight heights, and for dots of braille.
const HEIGHTS: [char; 9] = [' ', '.', ':', '-', '=', '+', '*', '#', '@'];

/// Which sign stands for each of others.
const SIGNS: [(&str, char); 16] = [
    ("─━╌┄–—−", '-'),
    ("═", '='),
    ("│┃║┆╎", '|'),
    ("┌┐└┘├┤┬┴┼┏┓┗┛┣┫┳┻╋╭╮╰╯✓✔▒", '+'),
    ("→▶▸►❯›»", '>'),
    ("←◀◂◄❮‹«", '<'),
    ("↑▲▴⇅↕", '^'),
    ("↓▼▾", 'v'),
    ("↔⇄≈", '~'),
    ("…·░", '.'),
    ("•●◆★", '*'),
    ("○◇□", 'o'),
    ("✗✘×", 'x'),
    ("Δ", 'd'),
    ("µμ", 'u'),
    ("▓■▐▀", '#'),
];

/// The sign that stands for another.
pub(super) fn sign(symbol: &str) -> Option<char> {
    // What follows a letter, such as an accent, is left out.
    let first = symbol.chars().next()?;
    match first {
        _ if first.is_ascii() => Some(first),
        // From one eighth of a cell up to all of it.
        '▁'..='█' => HEIGHTS.get(first as usize - '▁' as usize + 1).copied(),
        // From seven eighths from the left down to one.
        '▉'..='▏' => HEIGHTS.get(8 - (first as usize - '█' as usize)).copied(),
        // A bit a dot.
        '\u{2800}'..='\u{28ff}' => {
            HEIGHTS.get((first as u32 & 0xff).count_ones() as usize).copied()
        }
        _ => SIGNS.iter().find(|(signs, _)| signs.contains(first)).map(|(_, sign)| *sign),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_and_dots_are_the_darker_the_more_of_a_cell_they_fill() {
        let signs = |text: &str| -> String {
            text.chars().map(|one| sign(&one.to_string()).unwrap()).collect()
        };
        assert_eq!(signs("▁▂▃▄▅▆▇█"), ".:-=+*#@");
        assert_eq!(signs("█▉▊▋▌▍▎▏"), "@#*+=-:.");
        assert_eq!(signs("⠀⠁⠃⡇⣿"), " .:=@");
    }

    #[test]
    fn a_sign_with_an_accent_is_the_letter_and_what_is_not_known_is_said_to_be() {
        assert_eq!(sign("e\u{301}"), Some('e'));
        assert_eq!(sign("字"), None);
        assert_eq!(sign(""), None);
    }
}

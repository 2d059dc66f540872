//! What a file says of the inspector, right and wrong.

use blkreplay_tui::key::Key;
use blkreplay_tui::keymap::{Meaning, Preset, named};
use blkreplay_tui::look::{Glyphs, Theme};
use blkreplay_tui::state::coloring::Color;

use super::{config, wrong};

/// What the sample of the book's page says.
pub(super) const WHOLE: &str = r#"
[inspect]
keys = "termshark"
theme = "cvd"
glyphs = "ascii"
mouse = false
copy-command = ["xclip", "-selection", "clipboard"]

[inspect.bind]
"next-error" = ["!", "g e"]
first = ["home"]

[[inspect.color]]
filter = "lat > 5ms"
color = "yellow"

[[inspect.color]]
filter = "op == flush"
color = "magenta"

[inspect.filters]
slow = "lat > 5ms && op != flush"
"#;

#[test]
fn every_key_is_read_with_its_line() {
    let inspect = config(WHOLE).inspect;
    let keys = inspect.keys.clone().unwrap();
    assert_eq!((keys.value, keys.at.as_str()), (Preset::Termshark, "a.toml:3"));
    assert_eq!(inspect.theme.clone().unwrap().value, Theme::Cvd);
    assert_eq!(inspect.glyphs.clone().unwrap().value, Some(Glyphs::Ascii));
    assert!(!inspect.mouse.clone().unwrap().value);
    let copy = inspect.copy_command.clone().unwrap();
    assert_eq!(
        (copy.value.join(" "), copy.at.as_str()),
        ("xclip -selection clipboard".to_owned(), "a.toml:7")
    );
    let color = &inspect.colors[0];
    assert_eq!((color.value.color, color.value.filter.as_str()), (Color::Yellow, "lat > 5ms"));
    assert_eq!((inspect.colors.len(), color.at.as_str()), (2, "a.toml:13"));
    let slow = &inspect.filters[0];
    assert_eq!((slow.value.name.as_str(), slow.at.as_str()), ("slow", "a.toml:22"));
    let keymap = inspect.keymap();
    let does = |key: &str, name: &str| {
        let meaning = keymap.meaning(&[], key.parse::<Key>().unwrap());
        assert_eq!(meaning, Meaning::Action(named(name).unwrap().action), "{key}");
    };
    does("!", "next-error");
    does("/", "filter");
    does("home", "first");
    assert_eq!(keymap.meaning(&[], Key::char('g')), Meaning::Begun);
}

#[test]
fn without_a_word_all_is_as_it_was() {
    let inspect = config("").inspect;
    assert_eq!(inspect.keymap().key_of("next-error"), Some("e"));
    let inspect = config("[inspect]\nglyphs = \"auto\"\n").inspect;
    assert_eq!(inspect.glyphs.unwrap().value, None);
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let bind = |text: &str| format!("[inspect.bind]\n{text}\n");
    for (text, said) in [
        ("inspect = 3\n".to_owned(), "a table is expected"),
        ("[inspekt]\n".to_owned(), "did you mean `inspect`?"),
        ("[inspect]\nkeys = \"emacs\"\n".to_owned(), "one of default, termshark"),
        ("[inspect]\nthem = \"cvd\"\n".to_owned(), "did you mean `theme`?"),
        ("[inspect]\nmouse = 1\n".to_owned(), "`mouse` takes true or false"),
        ("[inspect]\nbind = 3\n".to_owned(), "[inspect.bind] is expected"),
        ("[inspect]\ncolor = 3\n".to_owned(), "[[inspect.color]] is expected"),
        ("[inspect]\nfilters = 3\n".to_owned(), "[inspect.filters] is expected"),
        (bind("next-eror = [\"!\"]"), "`next-eror` is no command"),
        (bind("next-error = \"!\""), "`next-error` takes a list of strings"),
        (bind("next-error = [\"pagedown\"]"), "`pagedown` is no key"),
        (bind("next-error = [\"f\"]"), "`f` is bound to `filter` and to `next-error`"),
        (
            bind("next-error = [\"!\"]\nfirst = [\"!\"]"),
            "`!` is bound to `first` and to `next-error`",
        ),
        (bind("quit = []\nback = []"), "no key would end the inspector"),
        (
            "[[inspect.color]]\nfilter = \"lenght > 4k\"\ncolor = \"red\"\n".to_owned(),
            "unknown field `lenght`",
        ),
        (
            "[[inspect.color]]\nfilter = \"lat > p99(lat)\"\ncolor = \"red\"\n".to_owned(),
            "a colour can ask for nothing but",
        ),
        ("[[inspect.color]]\nfilter = \"write\"\n".to_owned(), "`color` is missing"),
        ("[inspect]\ncopy-command = []\n".to_owned(), "`copy-command` names no program"),
        ("[inspect]\ncopy-command = [\"\"]\n".to_owned(), "`copy-command` names no program"),
        (
            "[inspect]\ncopy-command = \"wl-copy\"\n".to_owned(),
            "`copy-command` takes a list of strings",
        ),
        ("[inspect.filters]\nslow = \"lat > 5\"\n".to_owned(), "a.toml:2"),
        ("[inspect.filters]\nwrite = \"lat > 5ms\"\n".to_owned(), "`write` is a filter already"),
        (
            "[inspect.filters]\n\"so slow\" = \"lat > 5ms\"\n".to_owned(),
            "cannot be written in a filter line",
        ),
    ] {
        let found = wrong(&text);
        assert!(found.contains(said) && found.contains("a.toml:"), "{text}\n{found}");
    }
}

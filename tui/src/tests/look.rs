//! How the screen looks: every view in signs of ASCII, without colour, and in the colours of a theme.

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::Color;
use snapbox::{Data, assert_data_eq, file};

use super::Inspector;
use crate::action::{Action, View};
use crate::look::{Glyphs, Look, Terminal, Theme};

const SIZES: [(u16, u16); 4] = [(40, 10), (80, 24), (120, 40), (200, 60)];

fn plain() -> Look {
    Look { glyphs: Glyphs::Ascii, ..Look::default() }.without_color()
}

fn inspector(look: Look, (width, height): (u16, u16)) -> Inspector {
    let mut inspector = Inspector::new(width, height);
    inspector.desk.app.look = look;
    inspector.press("e");
    inspector
}

/// Draws what there is to be seen as it is, in these colours and signs.
fn drawn(inspector: &mut Inspector, look: Look) -> Buffer {
    inspector.desk.app.look = look;
    inspector.settle();
    inspector.buffer().clone()
}

/// A cell that is not as it should be.
#[track_caller]
fn none(what: &str, buffer: &Buffer, is_wrong: impl Fn(&Cell) -> bool) {
    let wrong = buffer.content.iter().find(|cell| is_wrong(cell));
    assert!(wrong.is_none(), "{what}: {wrong:?}");
}

#[test]
fn whatever_is_shown_ascii_is_ascii_mono_has_no_colour_and_the_default_those_of_the_terminal() {
    for size in SIZES {
        for (view, _, name) in View::ALL {
            let mut inspector = inspector(Look::default(), size);
            inspector.desk.app.update(Action::Show(view));
            inspector.settle();
            for keys in ["", "o", "h", "z", "f 'op'", "esc ?", "esc :", "esc y", "esc enter"] {
                let what = format!("{name} {size:?} {keys}");
                inspector.press(keys);
                let written = drawn(&mut inspector, Look::default());
                none(&what, &written, |cell| {
                    let is_own = |color| matches!(color, Color::Rgb(..) | Color::Indexed(_));
                    is_own(cell.fg) || is_own(cell.bg)
                });
                assert_eq!(unknown(&written), Vec::<String>::new(), "{what}");
                none(&what, &drawn(&mut inspector, plain()), |cell| {
                    !cell.symbol().is_ascii() || cell.fg != Color::Reset || cell.bg != Color::Reset
                });
            }
        }
    }
}

/// Signs that ASCII has only a question mark for.
fn unknown(buffer: &Buffer) -> Vec<String> {
    let mut unknown = Vec::new();
    for cell in &buffer.content {
        let mut one = Buffer::with_lines([cell.symbol()]);
        plain().paint(&mut one);
        if one.content[0].symbol() == "?" && cell.symbol() != "?" {
            unknown.push(cell.symbol().to_owned());
        }
    }
    unknown
}

#[test]
fn every_view_is_drawn_in_ascii_without_colour() {
    for (width, height) in SIZES {
        for (view, _, name) in View::ALL {
            let mut inspector = inspector(plain(), (width, height));
            inspector.desk.app.update(Action::Show(view));
            inspector.settle();
            let name = name.to_lowercase();
            let path = format!("{}/src/tests/screens/ascii", env!("CARGO_MANIFEST_DIR"));
            let path = format!("{path}/{name}-{width}x{height}.txt");
            let expected = Data::read_from(path.as_ref(), None);
            assert_data_eq!(inspector.screen(), expected.raw());
        }
    }
}

/// What is written, and below each line the letters of its colours: upper case is bold or reversed.
fn styled(buffer: &Buffer) -> String {
    let mut colors: Vec<Color> = Vec::new();
    let mut text = String::new();
    for cells in buffer.content.chunks(usize::from(buffer.area.width)) {
        let written: String = cells.iter().map(Cell::symbol).collect();
        let style = cells.iter().map(|cell| {
            let pair = [cell.fg, cell.bg];
            let marked = pair.map(|color| match color {
                Color::Reset => '.',
                color => {
                    let at = colors.iter().position(|known| *known == color).unwrap_or_else(|| {
                        colors.push(color);
                        colors.len() - 1
                    });
                    char::from(b'a' + u8::try_from(at).unwrap())
                }
            });
            let sign = if marked[1] == '.' { marked[0] } else { marked[1] };
            if cell.modifier.is_empty() { sign } else { sign.to_ascii_uppercase() }
        });
        let style: String = style.collect();
        text = format!("{text}{}\n{}\n", written.trim_end(), style.trim_end_matches(['.', ' ']));
    }
    for (at, color) in (b'a'..).zip(colors) {
        text = format!("{text}{}: {color}\n", char::from(at));
    }
    text
}

#[test]
fn colours_of_the_theme_for_people_who_see_fewer_say_what_letters_and_signs_say() {
    let look = Look { is_true_color: true, theme: Theme::Cvd, ..Look::default() };
    let mut list = inspector(look.clone(), (80, 24));
    assert_data_eq!(styled(list.buffer()), file!["screens/cvd-list-80x24.txt"].raw());
    list.press("2");
    assert_data_eq!(styled(list.buffer()), file!["screens/cvd-map-80x24.txt"].raw());
    let vermilion = Color::Rgb(0xd5, 0x5e, 0x00);
    list.press("1 k");
    let screen = list.screen();
    let line = screen.lines().position(|line| line.contains("EIO")).unwrap();
    let cell = &list.buffer()[(70, u16::try_from(line).unwrap())];
    assert_eq!(cell.fg, vermilion);
}

#[test]
fn every_theme_but_the_one_of_the_terminal_says_what_an_error_looks_like() {
    let mut seen = Vec::new();
    for (theme, name) in Theme::ALL {
        let look = Look { theme, is_true_color: true, ..Look::default() };
        let mut buffer = Buffer::with_lines(["x"]);
        buffer.content[0].set_fg(Color::Red);
        look.paint(&mut buffer);
        let color = buffer.content[0].fg;
        match theme {
            Theme::Terminal => assert_eq!(color, Color::Red),
            Theme::Mono => assert_eq!(color, Color::Reset),
            _ => assert!(matches!(color, Color::Rgb(..)), "{name}: {color}"),
        }
        assert!(!seen.contains(&color), "{name}");
        seen.push(color);
    }
}

#[test]
fn where_the_terminal_has_no_signs_the_title_says_why() {
    let bare = Terminal::of(|name| (name == "LANG").then(|| "C".to_owned()));
    let look = Look::new(Theme::default(), None, &bare);
    for (width, is_said) in [(200, true), (120, true), (80, true), (40, false)] {
        let inspector = inspector(look.clone(), (width, 24));
        let screen = inspector.screen();
        let title = screen.lines().next().unwrap();
        assert_eq!(title.contains("ascii: LANG=C"), is_said, "{title}");
    }
}

#[test]
fn the_keys_of_all_views_are_seen_from_eighty_columns_on() {
    for (width, height) in SIZES {
        for (view, ..) in View::ALL {
            let mut inspector = inspector(Look::default(), (width, height));
            inspector.desk.app.name = "recorded-on-a-machine.blkr".to_owned();
            inspector.desk.app.update(Action::Show(view));
            inspector.settle();
            let screen = inspector.screen();
            let title = screen.lines().next().unwrap();
            for (other, key, _) in View::ALL {
                let tab = if other == view { format!("[{key} ") } else { format!(" {key}") };
                assert!(title.contains(&tab) || width < 80, "{width}: {title}");
            }
            let names = [view.name(), view.short()].map(|name| format!(" {name}]"));
            assert!(names.iter().any(|name| title.contains(name)), "{title}");
        }
    }
}

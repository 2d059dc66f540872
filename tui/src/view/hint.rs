//! Which commands help in a view, for the last line. A view and a map of keys in, a line of whole hints out.
//!
//! Invariant: what is said to be a key is one; what has none is left out, and so is what does not fit.

use crate::action::View;
use crate::app::App;
use crate::keymap::Keymap;

/// Commands, by their names, and what their keys do here; without a command, only words.
type Hint = (&'static [&'static str], &'static str);

/// Everywhere, at the end.
const LAST: [Hint; 2] = [(&["help"], "help"), (&["back"], "quit")];

const BY_IT: &[&str] = &["filter-in", "filter-out"];

/// Raw events of a trace.
const EVENTS: &[Hint] = &[
    (&["events"], "its other end"),
    (&["requests"], "back to requests"),
    (&["go"], "event:12"),
    (&["copy-line"], "copy"),
];

/// Events of a QEMU log.
const LOG_EVENTS: &[Hint] = &[
    (&["open"], "its checkpoint"),
    (&["go"], "event:12 #5"),
    (&["next-finding", "previous-finding"], "finding"),
    (&["copy-line"], "copy"),
];

/// Checkpoints of a QEMU log.
const LOG_CHECKPOINTS: &[Hint] = &[
    (&["open"], "its events"),
    (&["column-left"], "released only, or all"),
    (&["next-finding", "previous-finding"], "finding"),
    (&["go"], "event:12 #5"),
];

/// All else of a QEMU log.
const LOG: &[Hint] = &[
    (&["checkpoints"], "checkpoints"),
    (&["requests"], "events"),
    (&["stats"], "by kind"),
    (&["next-finding", "previous-finding"], "finding"),
];

/// What helps now.
fn here(app: &App) -> &'static [Hint] {
    match app.view {
        View::Requests if app.log.is_some() => LOG_EVENTS,
        View::Requests if app.lists_events() => EVENTS,
        View::Checkpoints if app.log.is_some() => LOG_CHECKPOINTS,
        _ if app.log.is_some() => LOG,
        view => of(view),
    }
}

/// Those of a view of a trace, what matters most first.
fn of(view: View) -> &'static [Hint] {
    match view {
        View::Requests => &[
            (&["filter"], "filter"),
            (BY_IT, "by value"),
            (&["next-same-range", "previous-same-range"], "same range"),
            (&["next-error"], "error"),
            (&["go"], "go"),
            (&["copy-line"], "copy"),
        ],
        View::Map => &[
            (&[], "arrows"),
            (&["open"], "filters"),
            (&["near-time", "far-time"], "time"),
            (&["near-offsets", "far-offsets"], "offsets"),
            (&["map-value"], "value"),
            (&["map-scale"], "log"),
            (&["filter"], "filter"),
        ],
        View::Latency => &[
            (&["column-left"], "curves or bars"),
            (&["down", "up"], "operation"),
            (&["open"], "its requests"),
            (BY_IT, "by it"),
        ],
        View::Queue => &[
            (&["column-left", "column-right"], "column"),
            (&["open"], "its deepest"),
            (BY_IT, "by it"),
            (&["near-time", "far-time"], "time"),
            (&["map-device"], "device"),
        ],
        View::Stats => &[
            (&["down", "up"], "line"),
            (&["open"], "its requests"),
            (BY_IT, "by it"),
            (&["filter"], "filter"),
            (&["requests"], "list"),
        ],
        View::Epochs => &[
            (&["open"], "goes to its requests"),
            (BY_IT, "by it"),
            (&["next-finding", "previous-finding"], "finding"),
            (&["filter"], "filter"),
        ],
        View::Checkpoints => &[
            (&["open"], "its requests"),
            (&["column-left"], "released only, or all"),
            (BY_IT, "by them"),
            (&["filter"], "filter"),
        ],
        View::Diff => &[
            (&["search-next", "search-previous"], "difference"),
            (&["open"], "opens"),
            (&["bytes"], "bytes"),
            (&["ignore"], "ignore"),
            (&["bless"], "bless"),
            (BY_IT, "by range"),
            (&["filter"], "filter"),
        ],
        View::Findings => &[
            (&["open"], "goes to the request"),
            (BY_IT, "by it"),
            (&["next-finding", "previous-finding"], "finding"),
            (&["filter"], "filter"),
        ],
    }
}

/// As much as fits into a line, the last ones first of all.
pub(super) fn line(app: &App, width: usize) -> String {
    fitting(here(app), &app.keymap, width)
}

fn fitting(hints: &[Hint], keymap: &Keymap, width: usize) -> String {
    let last: Vec<String> = LAST.iter().filter_map(|hint| said(hint, keymap)).collect();
    let wide = |text: &str| text.chars().count() + 2;
    let mut room = width.saturating_sub(last.iter().map(|text| wide(text)).sum());
    let mut fits = Vec::new();
    for text in hints.iter().filter_map(|hint| said(hint, keymap)) {
        let Some(left) = room.checked_sub(wide(&text)) else { break };
        room = left;
        fits.push(text);
    }
    fits.extend(last);
    format!(" {}", fits.join("  "))
}

/// A hint as it is read; `None` if its commands have no keys.
fn said((names, does): &Hint, keymap: &Keymap) -> Option<String> {
    if names.is_empty() {
        return Some((*does).to_owned());
    }
    let keys = names.iter().filter_map(|name| keymap.key_of(name));
    // Of keys that are pressed one after the other, the first leads to the others.
    let keys: Vec<&str> = keys.map(|key| key.split(' ').next().unwrap_or(key)).map(sign).collect();
    (!keys.is_empty()).then(|| format!("{} {does}", keys.join(" ")))
}

fn sign(key: &str) -> &str {
    if key == "minus" { "-" } else { key }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keymap::{Preset, Rebinding, named};

    #[test]
    fn every_hint_names_commands_that_there_are_and_what_has_no_key_is_left_out() {
        let others = [EVENTS, LOG_EVENTS, LOG_CHECKPOINTS, LOG, &LAST];
        let views = View::ALL.map(|(view, ..)| of(view));
        for (names, does) in views.into_iter().chain(others).flatten() {
            assert!(names.iter().all(|name| named(name).is_some()), "{names:?}: {does}");
        }
        let keys = |name: &str, keys: &[&str]| Rebinding {
            name: name.to_owned(),
            keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        };
        let bound = [keys("filter", &["F9"]), keys("next-error", &[]), keys("go", &["alt-g"])];
        let wrong = Keymap::of(Preset::Default, &bound).unwrap_err();
        assert_eq!(wrong[0].what, "`F9` is no key");
        let bound = [keys("filter", &["f9"]), keys("next-error", &[]), keys("go", &["alt-g"])];
        let keymap = Keymap::of(Preset::Default, &bound).unwrap();
        let said = fitting(of(View::Requests), &keymap, 80);
        assert!(said.starts_with(" f9 filter  = - by value"), "{said}");
        assert!(!said.contains("error") && said.contains("alt-g go"), "{said}");
    }

    #[test]
    fn however_narrow_it_is_help_and_the_way_out_stay_and_nothing_is_cut() {
        for width in 16..100 {
            let said = fitting(of(View::Requests), &Keymap::default(), width);
            assert!(said.ends_with("? help  q quit") && said.len() <= width + 1, "{said}");
        }
    }
}

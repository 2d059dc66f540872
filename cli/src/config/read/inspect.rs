//! `[inspect]`: how somebody wants the inspector. A table in, settings out, or what is wrong with them.
//!
//! Invariant: keys are bound so that each does one thing; a filter that has a name is no other filter's name.

use std::ops::Range;

use blkreplay_core::query::Filter;
use blkreplay_tui::keymap::{Keymap, Preset, Rebinding};
use blkreplay_tui::look::Theme;
use blkreplay_tui::state::coloring::{Color, ColorRule, WrongRule};
use blkreplay_tui::state::filter::Saved;
use toml::de::DeTable;

use super::super::{Said, keys};
use super::{Known, Reader, kind};

/// A table within a table.
type Inner<'a> = Option<&'a DeTable<'a>>;

impl Reader<'_> {
    pub(super) fn inspect(&mut self, table: &DeTable<'_>, place: Range<usize>) {
        let known = self.known(table, place, &keys::INSPECT, &["bind", "color", "filters"]);
        let word =
            |name: &str| known.text(name).map(|(word, place)| (word, self.source.at(place.start)));
        let theme =
            word("theme").and_then(|(word, at)| Some(Said { value: Theme::named(word)?, at }));
        let glyphs = word("glyphs").and_then(|(word, at)| {
            let value = keys::GLYPHS.iter().find(|(_, name)| *name == word)?.0;
            Some(Said { value, at })
        });
        let preset =
            word("keys").and_then(|(word, at)| Some(Said { value: Preset::named(word)?, at }));
        let mouse = known.get("mouse").and_then(|value| {
            Some(Said { value: value.get_ref().as_bool()?, at: self.source.at(value.span().start) })
        });
        let copy = known.get("copy-command");
        if let Some(value) = copy.filter(|value| {
            let words = value.get_ref().as_array();
            words.is_some_and(|words| {
                words.first().and_then(|word| word.get_ref().as_str()).is_none_or(str::is_empty)
            })
        }) {
            let label = "[\"wl-copy\"], or [\"xclip\", \"-selection\", \"clipboard\"]";
            self.is_wrong("`copy-command` names no program", value.span(), label);
        }
        let copy = copy.and_then(|value| {
            let words = value.get_ref().as_array()?.iter();
            let words = words.filter_map(|word| word.get_ref().as_str().map(str::to_owned));
            Some(Said { value: words.collect(), at: self.source.at(value.span().start) })
        });
        let inspect = &mut self.config.inspect;
        inspect.copy_command = copy;
        (inspect.theme, inspect.glyphs, inspect.keys, inspect.mouse) =
            (theme, glyphs, preset, mouse);
        self.each(&known, "inspect.color", Reader::color);
        if let Some(table) = self.inner(&known, "bind") {
            self.bind(table);
        }
        if let Some(table) = self.inner(&known, "filters") {
            self.filters(table);
        }
    }

    /// A table whose keys are names of somebody's own.
    fn inner<'a>(&mut self, known: &Known<'a>, name: &str) -> Inner<'a> {
        let value = known.get(name)?;
        let table = value.get_ref().as_table();
        if table.is_none() {
            let what = format!("this is {}", kind(value.get_ref()));
            self.is_wrong(what, value.span(), &format!("[inspect.{name}] is expected"));
        }
        table
    }

    fn bind(&mut self, table: &DeTable<'_>) {
        let mut bound: Vec<(Rebinding, Range<usize>)> = Vec::new();
        let before = self.wrong.len();
        for (name, value) in table {
            self.takes(&keys::BIND[0].called(name.get_ref()), value);
            let items = value.get_ref().as_array().into_iter().flatten();
            let keys =
                items.filter_map(|item| item.get_ref().as_str().map(str::to_owned)).collect();
            bound.push((Rebinding { name: name.get_ref().to_string(), keys }, name.span()));
        }
        if self.wrong.len() > before {
            return;
        }
        let rebindings: Vec<Rebinding> = bound.iter().map(|(one, _)| one.clone()).collect();
        let preset =
            self.config.inspect.keys.as_ref().map_or_else(Preset::default, |said| said.value);
        match Keymap::of(preset, &rebindings) {
            Ok(keymap) => self.config.inspect.keymap = Some(keymap),
            Err(wrong) => {
                for one in wrong {
                    let place = one.which.and_then(|which| bound.get(which));
                    let place = place.map_or(0..0, |(_, place)| place.clone());
                    self.is_wrong(one.what, place, &one.help);
                }
            }
        }
        for (rebinding, place) in bound {
            let at = self.source.at(place.start);
            self.config.inspect.bind.push(Said { value: rebinding, at });
        }
    }

    fn color(&mut self, table: &DeTable<'_>, place: Range<usize>) {
        let known = self.known(table, place, &keys::INSPECT_COLOR, &[]);
        let Some((filter, place)) = known.text("filter") else { return };
        match ColorRule::check(filter) {
            Ok(()) => {}
            Err(WrongRule::Query(error)) => {
                self.wrong.push(self.source.wrong_filter(filter, place.clone(), &error));
            }
            Err(wrong @ WrongRule::NotAlone) => {
                self.is_wrong(wrong.to_string(), place.clone(), "");
            }
        }
        let color = known.text("color").and_then(|(name, _)| Color::named(name));
        if let Some(color) = color {
            let value = ColorRule { filter: filter.to_owned(), color };
            let at = self.source.at(known.place.start);
            self.config.inspect.colors.push(Said { value, at });
        }
    }

    fn filters(&mut self, table: &DeTable<'_>) {
        for (name, value) in table {
            let called = name.get_ref();
            self.takes(&keys::FILTERS[0].called(called), value);
            let Some(text) = value.get_ref().as_str() else { continue };
            let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
            if called.is_empty() || !called.chars().all(is_word) {
                let what = format!("`{called}` cannot be written in a filter line");
                self.is_wrong(what, name.span(), "letters, digits, `_` and `.` make a name");
                continue;
            }
            if Filter::anywhere(called).is_ok() {
                let what = format!("`{called}` is a filter already");
                self.is_wrong(what, name.span(), "another name is expected");
                continue;
            }
            if let Err(error) = Filter::anywhere(text) {
                self.wrong.push(self.source.wrong_filter(text, value.span(), &error));
                continue;
            }
            let value = Saved { name: called.to_string(), text: text.to_owned() };
            let at = self.source.at(name.span().start);
            self.config.inspect.filters.push(Said { value, at });
        }
    }
}

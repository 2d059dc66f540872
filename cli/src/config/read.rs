//! `blkreplay.toml`: text in, what it says out, each value with its line; or all that is wrong with it.
//!
//! Invariant: nothing is passed over: a key that is not known, a word that is none, and a filter that means nothing are errors.

use std::ops::Range;
use std::path::PathBuf;

use blkreplay_core::diff::{
    Align, Barrier, BudgetRule, Does, IgnoreRule, Mask, Preset, RUNS_DEFAULT,
};
use blkreplay_core::query::{Bound, Filter, Metric, QueryError, Way};
use jiff::civil::Date;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys::{self, Key, Takes};
use super::wrong::{Text, Wrong};
use super::{Config, FileRule, Said};

mod inspect;
mod suite;

/// A file may be so long, in bytes.
pub(crate) const FILE_BYTES_MAX: u64 = 1 << 20;

/// Reads what a file says. `name` is how it is called in messages.
pub(crate) fn read(file: PathBuf, name: &str, text: &str) -> Result<Config, Vec<Wrong>> {
    let source = Text::new(name, text);
    let table = DeTable::parse(text).map_err(|error| {
        let place = error.span().unwrap_or(0..0);
        vec![source.wrong(format!("this is no TOML: {}", error.message()), place, "")]
    })?;
    let config = Config { file: Some(file), name: name.to_owned(), ..Config::default() };
    let mut reader = Reader { source, wrong: Vec::new(), config };
    reader.document(table.get_ref());
    if reader.wrong.is_empty() { Ok(reader.config) } else { Err(reader.wrong) }
}

struct Reader<'a> {
    source: Text<'a>,
    wrong: Vec<Wrong>,
    config: Config,
}

/// The values of a table whose keys are known.
struct Known<'a> {
    table: &'a DeTable<'a>,
    /// Where its heading stands.
    place: Range<usize>,
}

impl<'a> Known<'a> {
    fn get(&self, name: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.table.iter().find(|(key, _)| key.get_ref() == name).map(|(_, value)| value)
    }

    fn text(&self, name: &str) -> Option<(&'a str, Range<usize>)> {
        let value = self.get(name)?;
        value.get_ref().as_str().map(|text| (text, value.span()))
    }
}

impl Reader<'_> {
    fn document(&mut self, document: &DeTable<'_>) {
        for (key, value) in document {
            match (key.get_ref().as_ref(), value.get_ref()) {
                ("diff", DeValue::Table(table)) => self.diff(table, value.span()),
                ("suite", DeValue::Table(table)) => self.suites(table),
                ("inspect", DeValue::Table(table)) => self.inspect(table, value.span()),
                ("diff" | "suite" | "inspect", other) => {
                    self.is_wrong(
                        format!("this is {}", kind(other)),
                        value.span(),
                        "a table is expected",
                    );
                }
                (other, _) => self.unknown(other, key.span(), &["diff", "suite", "inspect"]),
            }
        }
    }

    fn is_wrong(&mut self, what: impl Into<String>, place: Range<usize>, label: &str) {
        let wrong = self.source.wrong(what, place, label);
        self.wrong.push(wrong);
    }

    fn unknown(&mut self, found: &str, place: Range<usize>, known: &[&str]) {
        let nearest = known
            .iter()
            .map(|name| (strsim::damerau_levenshtein(name, found), name))
            .filter(|(distance, name)| *distance <= 3 && *distance < name.len())
            .min_by_key(|(distance, _)| *distance);
        let label = match nearest {
            Some((_, name)) => format!("did you mean `{name}`?"),
            None => format!("there are {}", known.join(", ")),
        };
        self.is_wrong(format!("unknown key `{found}`"), place, &label);
    }

    /// Checks the keys of a table, and what they take. `beside` are tables that may be in it.
    fn known<'a>(
        &mut self,
        table: &'a DeTable<'a>,
        place: Range<usize>,
        keys: &[Key<'_>],
        beside: &[&str],
    ) -> Known<'a> {
        for (name, value) in table {
            let found = name.get_ref().as_ref();
            if beside.contains(&found) {
                continue;
            }
            if let Some(key) = keys.iter().find(|key| key.name == found) {
                self.takes(key, value);
            } else {
                let names = keys.iter().map(|key| key.name).chain(beside.iter().copied());
                self.unknown(found, name.span(), &names.collect::<Vec<_>>());
            }
        }
        for key in keys.iter().filter(|key| key.needed) {
            if !table.iter().any(|(name, _)| name.get_ref() == key.name) {
                let label = format!("`{}` is {}: {}", key.name, key.takes.words(), key.about);
                self.is_wrong(format!("`{}` is missing", key.name), place.clone(), &label);
            }
        }
        Known { table, place }
    }

    fn takes(&mut self, key: &Key<'_>, value: &Spanned<DeValue<'_>>) {
        let place = value.span();
        let fits = match (key.takes, value.get_ref()) {
            (Takes::Text, DeValue::String(text)) => !text.is_empty(),
            (Takes::Word(words), DeValue::String(text)) => words().contains(&text.as_ref()),
            (Takes::Words(words), DeValue::Array(items)) => {
                for item in items {
                    let known = item.get_ref().as_str().is_some_and(|text| words().contains(&text));
                    if !known {
                        let label = format!("there are {}", words().join(", "));
                        self.is_wrong(
                            format!("`{}` does not have this", key.name),
                            item.span(),
                            &label,
                        );
                    }
                }
                true
            }
            (Takes::Limit, DeValue::String(_)) | (Takes::Flag, DeValue::Boolean(_)) => true,
            (Takes::Limit, number @ DeValue::Integer(_)) => whole(number).is_some(),
            (Takes::Count(least, most), number @ DeValue::Integer(_)) => {
                whole(number).is_some_and(|number| (least..=most).contains(&number))
            }
            (Takes::Texts, DeValue::Array(items)) => {
                items.iter().all(|item| item.get_ref().as_str().is_some())
            }
            (Takes::Day, _) => day(value.get_ref()).is_some(),
            _ => false,
        };
        if !fits {
            let what = format!("`{}` takes {}", key.name, key.takes.words());
            self.is_wrong(what, place, &format!("this is {}", kind(value.get_ref())));
        }
    }

    fn diff(&mut self, table: &DeTable<'_>, place: Range<usize>) {
        let known = self.known(table, place, &keys::DIFF, &["ignore-rule", "budget"]);
        let at = |value: &Spanned<DeValue<'_>>| self.source.at(value.span().start);
        let word = |name| {
            let value = known.get(name)?;
            value.get_ref().as_str().map(|text| (text, at(value)))
        };
        if let Some((text, at)) = word("align") {
            let found = Align::NAMES.iter().find(|(_, name)| *name == text);
            self.config.align = found.map(|(align, _)| Said { value: *align, at });
        }
        if let Some((text, at)) = word("barrier") {
            let found = Barrier::NAMES.iter().find(|(_, name)| *name == text);
            self.config.barrier = found.map(|(barrier, _)| Said { value: *barrier, at });
        }
        if let Some(value) = known.get("window") {
            let window = whole(value.get_ref()).and_then(|window| usize::try_from(window).ok());
            self.config.window = window.map(|window| Said { value: window, at: at(value) });
        }
        let words = |name: &str| -> Option<(Vec<String>, String)> {
            let value = known.get(name)?;
            let items = value.get_ref().as_array()?.iter();
            let texts = items.filter_map(|item| item.get_ref().as_str().map(str::to_owned));
            Some((texts.collect(), at(value)))
        };
        self.config.ignore = words("ignore").map(|(value, at)| Said { value, at });
        let presets = words("preset").map(|(names, at)| {
            let found = names.iter().filter_map(|name| Preset::named(name)).collect();
            Said { value: found, at }
        });
        self.config.presets = presets;
        self.each(&known, "diff.ignore-rule", Reader::ignore_rule);
        self.each(&known, "diff.budget", Reader::budget);
    }

    /// Each table of a list of tables, which is called by the last part of its name.
    fn each(
        &mut self,
        known: &Known<'_>,
        name: &str,
        read: fn(&mut Self, &DeTable<'_>, Range<usize>),
    ) {
        let Some(value) = known.get(name.rsplit('.').next().unwrap_or(name)) else { return };
        let Some(items) = value.get_ref().as_array() else {
            let label = format!("[[{name}]] is expected");
            return self.is_wrong(
                format!("this is {}", kind(value.get_ref())),
                value.span(),
                &label,
            );
        };
        for item in items {
            if let Some(table) = item.get_ref().as_table() {
                read(self, table, item.span());
            } else {
                let what = format!("this is {}", kind(item.get_ref()));
                self.is_wrong(what, item.span(), "a table is expected");
            }
        }
    }

    fn ignore_rule(&mut self, table: &DeTable<'_>, place: Range<usize>) {
        let known = self.known(table, place, &keys::IGNORE_RULE, &[]);
        let filter = known.text("where");
        if let Some((text, place)) = &filter
            && let Err(error) = Filter::anywhere(text)
        {
            self.wrong.push(self.source.wrong_filter(text, place.clone(), &error));
        }
        let mask = known.text("bytes").and_then(|(text, place)| match text.parse::<Mask>() {
            Ok(mask) => Some(mask),
            Err(error) => {
                self.is_wrong(error.to_string(), place, "");
                None
            }
        });
        if known.get("bytes").is_none() && known.get("where").is_none() {
            self.is_wrong(
                "the rule leaves all requests out",
                known.place.clone(),
                "`where` or `bytes` is missing",
            );
        }
        let (Some((name, _)), Some((reason, _))) = (known.text("name"), known.text("reason"))
        else {
            return;
        };
        let rule = IgnoreRule {
            name: name.to_owned(),
            does: mask.map_or(Does::LeaveOut, Does::Mask),
            filter: filter.map(|(text, _)| text.to_owned()),
            at: Some(self.source.at(known.place.start)),
            preset: None,
        };
        let until = known.get("until").and_then(|value| day(value.get_ref()));
        self.config.rules.push(FileRule { rule, reason: reason.to_owned(), until });
    }

    fn budget(&mut self, table: &DeTable<'_>, place: Range<usize>) {
        let known = self.known(table, place, &keys::BUDGET, &[]);
        let Some((metric_text, metric_place)) = known.text("metric") else { return };
        let metric = match Metric::anywhere(metric_text) {
            Ok(metric) => metric,
            Err(error) => {
                return self.wrong.push(self.source.wrong_filter(
                    metric_text,
                    metric_place,
                    &error,
                ));
            }
        };
        let mut bounds = Vec::new();
        for (name, way) in [("max", Way::Up), ("min", Way::Down)] {
            if let Some((text, place)) = limit(&known, name) {
                match Bound::absolute(&text, way) {
                    Ok(bound) => bounds.push((bound, place)),
                    Err(error) => self.wrong_limit(&text, place, &error),
                }
            }
        }
        for (part, number, way) in [
            ("max-increase", "max-increase-abs", Way::Up),
            ("max-decrease", "max-decrease-abs", Way::Down),
        ] {
            let mut changes = Vec::new();
            let reads: [(&str, ReadBound); 2] = [(part, Bound::part), (number, Bound::more)];
            for (name, read) in reads {
                if let Some((text, place)) = limit(&known, name) {
                    match read(&text, way) {
                        Ok(bound) => changes.push((bound, place)),
                        Err(error) => self.wrong_limit(&text, place, &error),
                    }
                }
            }
            let both = |(one, place): (Bound, _), (other, _)| (one.and(other), place);
            bounds.extend(changes.into_iter().reduce(both));
        }
        if bounds.is_empty() {
            let label = "one of max, min, max-increase, max-increase-abs, max-decrease, max-decrease-abs is expected";
            self.is_wrong("the budget has no limit", known.place.clone(), label);
        }
        for (bound, place) in &bounds {
            if !bound.fits(&metric) {
                let what = format!(
                    "the limit {bound} and the metric {metric_text} are a span of time and a number"
                );
                self.is_wrong(what, place.clone(), "");
            }
        }
        let runs = known.get("runs").and_then(|value| whole(value.get_ref()));
        let runs = runs.and_then(|runs| usize::try_from(runs).ok()).unwrap_or(RUNS_DEFAULT);
        let Some((name, _)) = known.text("name") else { return };
        self.config.budgets.push(BudgetRule {
            name: name.to_owned(),
            metric: metric_text.to_owned(),
            bounds: bounds.into_iter().map(|(bound, _)| bound).collect(),
            runs,
            at: Some(self.source.at(known.place.start)),
        });
    }

    fn wrong_limit(&mut self, text: &str, place: Range<usize>, error: &QueryError) {
        let wrong = self.source.wrong_filter(text, place, error);
        self.wrong.push(wrong);
    }
}

/// Reads a limit that is written without its sign.
type ReadBound = fn(&str, Way) -> Result<Bound, QueryError>;

/// A limit as it is written in a budget.
fn limit(known: &Known<'_>, name: &str) -> Option<(String, Range<usize>)> {
    let value = known.get(name)?;
    let text = match value.get_ref() {
        DeValue::String(text) => text.to_string(),
        number => whole(number)?.to_string(),
    };
    Some((text, value.span()))
}

/// A whole number that is not negative.
fn whole(value: &DeValue<'_>) -> Option<u64> {
    let number = value.as_integer()?;
    u64::from_str_radix(number.as_str(), number.radix()).ok()
}

fn day(value: &DeValue<'_>) -> Option<Date> {
    match value {
        DeValue::String(text) => text.parse().ok(),
        DeValue::Datetime(day) if day.time.is_none() => day.to_string().parse().ok(),
        _ => None,
    }
}

/// What a value is, in words.
fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(text) if text.is_empty() => "an empty string",
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a point",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or a time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

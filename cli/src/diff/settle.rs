//! By what a pair is compared: the command line over `blkreplay.toml` over defaults. Options and a baseline in, a rule, ignore
//! rules and budgets out.
//!
//! Invariant: what is typed wins; what is typed wrong is trouble before a trace is read.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use blkreplay_core::diff::{
    Align, Barrier, BudgetRule, Does, Fact, Facts, IgnoreRule, Mask, Meant, Preset, Rule, Warning,
};
use blkreplay_core::query::Filter;
use jiff::civil::Date;

use crate::config::keys::{self, WINDOW_MAX};
use crate::config::{self, Config};
use crate::failure::Failure;
use crate::input;
use crate::words::shell_word;

/// What was typed.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Compare")]
pub(crate) struct Given {
    /// How requests are paired: order, epoch (unless you say otherwise), conflict, key or state
    #[arg(long, value_name = "ALIGNMENT", value_parser = alignment)]
    #[arg(conflicts_with_all = ["strict", "loose"])]
    pub(crate) align: Option<Align>,

    /// The same as --align order, and nothing of blkreplay.toml is ignored
    #[arg(long, conflicts_with = "loose")]
    pub(crate) strict: bool,

    /// The same as --align key, and data are not compared
    #[arg(long)]
    pub(crate) loose: bool,

    /// Do not compare this: payload, result, flags, len or order; time, id, conn and queue never are
    #[arg(long, value_name = "FIELD", value_parser = ignorable, value_delimiter = ',')]
    pub(crate) ignore: Vec<String>,

    /// Leave out the requests that a filter means, on both sides
    #[arg(long, value_name = "FILTER")]
    pub(crate) ignore_where: Vec<String>,

    /// Look only at the requests that a filter means; see blkreplay help filter
    #[arg(short, long = "filter", value_name = "FILTER")]
    pub(crate) filters: Vec<String>,

    /// Do not compare these bytes of the disk, such as '0x42c..0x434@off == 0'
    #[arg(long = "mask", value_name = "RANGE@FILTER")]
    pub(crate) masks: Vec<String>,

    /// Mask what is known to change: ext4-times, xfs-log-cycle, btrfs-generation or gpt-uuid
    #[arg(long = "preset", value_name = "NAME", value_parser = preset, value_delimiter = ',')]
    pub(crate) presets: Vec<String>,

    /// What ends an epoch: flush, flush,fua or none; without it, flush
    #[arg(long, value_name = "WHAT", value_parser = barrier)]
    pub(crate) barrier: Option<Barrier>,

    /// Look at so many requests of each side together; those further apart are not paired
    #[arg(long, value_name = "N", value_parser = window)]
    pub(crate) window: Option<usize>,

    /// Read this file rather than the nearest blkreplay.toml
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// How much new may cost, such as 'count(flush) <= +5%' or 'p99(lat) <= +10% && +200us'
    #[arg(long = "budget", value_name = "METRIC<=LIMIT", help_heading = "Judge")]
    pub(crate) budgets: Vec<String>,
}

/// By what a pair is compared.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settled {
    pub(crate) rule: Rule,
    pub(crate) rules: Vec<IgnoreRule>,
    pub(crate) budgets: Vec<BudgetRule>,
    pub(crate) warnings: Vec<Warning>,
    /// The file that was read.
    pub(crate) config: Option<String>,
}

impl Given {
    /// By what the pair of this baseline is compared, today.
    pub(crate) fn settle(&self, baseline: &Path, today: Date) -> Result<Settled, Failure> {
        let config = match &self.config {
            Some(file) => Config::at(file)?,
            None if input::is_stdin(baseline) => Config::near(Path::new(config::FILE_NAME))?,
            None => Config::near(baseline)?,
        };
        let (mut rules, mut warnings) = config.in_force(today).map_err(Failure::of)?;
        let mut budgets = config.budgets.clone();
        if self.strict {
            rules.clear();
            warnings.clear();
        }
        rules.extend(self.typed_rules()?);
        budgets.extend(self.typed_budgets()?);
        let rule = self.rule(&config)?;
        if !rule.facts.has(Fact::Payload) {
            // What is not compared needs no mask.
            rules.retain(|rule| !matches!(rule.does, Does::Mask(_)));
        }
        let config = config.file.is_some().then_some(config.name);
        Ok(Settled { rule, rules, budgets, warnings, config })
    }

    /// The options that say by what, as a shell takes them. Budgets judge, and are not among them.
    pub(crate) fn words(&self) -> Vec<String> {
        let Given { align, strict, loose, ignore, ignore_where, filters, .. } = self;
        let Given { masks, presets, barrier, window, config, budgets: _, .. } = self;
        let mut words = Vec::new();
        put("--align", align.map(Align::name), &mut words);
        words.extend(strict.then(|| "--strict".to_owned()));
        words.extend(loose.then(|| "--loose".to_owned()));
        put("--ignore", ignore, &mut words);
        put("--ignore-where", ignore_where, &mut words);
        put("--filter", filters, &mut words);
        put("--mask", masks, &mut words);
        put("--preset", presets, &mut words);
        put("--barrier", barrier.map(Barrier::name), &mut words);
        put("--window", window.map(|window| window.to_string()), &mut words);
        put("--config", config.as_deref().map(config::shown), &mut words);
        words
    }

    fn rule(&self, config: &Config) -> Result<Rule, Failure> {
        let default = Rule::default();
        let file = config.ignore.as_ref().filter(|_| !self.strict);
        let file = file.map(|said| said.value.as_slice()).unwrap_or_default();
        let mut facts = Facts::ALL;
        for name in file.iter().chain(&self.ignore) {
            match name.as_str() {
                "payload" => facts = facts.without(Fact::Payload),
                "result" => facts = facts.without(Fact::Result),
                "flags" => facts = facts.without(Fact::Flags),
                "len" => facts = facts.without(Fact::Length),
                // What is never compared, and the order, which is the alignment's.
                _ => {}
            }
        }
        if self.loose {
            facts = facts.without(Fact::Payload);
        }
        let window = config.window.as_ref().map(|said| said.value);
        let barrier = config.barrier.as_ref().map(|said| said.value);
        Ok(Rule {
            align: self.align(config, file)?,
            facts,
            barrier: self.barrier.or(barrier).unwrap_or(default.barrier),
            window: self.window.or(window).unwrap_or(default.window),
        })
    }

    /// How requests are paired. What is typed of it, an alignment or that order is ignored, wins over what the file says of either.
    fn align(&self, config: &Config, ignored_by_file: &[String]) -> Result<Align, Failure> {
        let typed = match (self.strict, self.loose) {
            (true, _) => Some(Align::Order),
            (_, true) => Some(Align::Key),
            _ => self.align,
        };
        let ignores_order = |names: &[String]| names.iter().any(|name| name == "order");
        match (typed, ignores_order(&self.ignore)) {
            (Some(align), true) => without_order(align),
            (Some(align), false) => Ok(align),
            (None, true) => Ok(Align::Key),
            (None, false) => {
                let said = config.align.as_ref().map(|said| said.value);
                let align = said.unwrap_or(Rule::default().align);
                if ignores_order(ignored_by_file) { without_order(align) } else { Ok(align) }
            }
        }
    }

    fn typed_rules(&self) -> Result<Vec<IgnoreRule>, Failure> {
        let mut rules = Vec::new();
        let filtered = |name: &str, does, text: &str| {
            Filter::anywhere(text).map_err(|error| wrong(name, &error.shown(text)))?;
            let filter = Some(text.to_owned());
            let name = format!("{name} {text}");
            Ok(IgnoreRule { name, does, filter, at: None, preset: None })
        };
        for text in &self.filters {
            rules.push(filtered("--filter", Does::LookOnly, text)?);
        }
        for text in &self.ignore_where {
            rules.push(filtered("--ignore-where", Does::LeaveOut, text)?);
        }
        for text in &self.masks {
            let (range, filter) = match text.split_once('@') {
                Some((range, filter)) => (range, Some(filter)),
                None => (text.as_str(), None),
            };
            let mask: Mask = range
                .trim()
                .parse()
                .map_err(|error| Failure::because(format!("--mask {text}"), error).coded("rule"))?;
            if let Some(filter) = filter {
                Filter::anywhere(filter).map_err(|error| wrong("--mask", &error.shown(filter)))?;
            }
            rules.push(IgnoreRule {
                name: format!("--mask {text}"),
                does: Does::Mask(mask),
                filter: filter.map(str::to_owned),
                at: None,
                preset: None,
            });
        }
        for preset in self.presets.iter().filter_map(|name| Preset::named(name)) {
            rules.extend(preset.rules(None).map_err(Failure::of)?);
        }
        Ok(rules)
    }

    fn typed_budgets(&self) -> Result<Vec<BudgetRule>, Failure> {
        let budget = |text: &String| {
            let wrong = |shown: &str| wrong("--budget", shown).coded("budget");
            BudgetRule::parse(text).map_err(|error| wrong(&error.shown(text)))
        };
        self.budgets.iter().map(budget).collect()
    }
}

/// Puts an option before each of its values.
pub(super) fn put(
    option: &str,
    values: impl IntoIterator<Item: AsRef<OsStr>>,
    words: &mut Vec<String>,
) {
    words.extend(values.into_iter().map(|value| format!("{option} {}", shell_word(value))));
}

/// An alignment where order is ignored.
fn without_order(align: Align) -> Result<Align, Failure> {
    match align {
        Align::Epoch | Align::Key => Ok(Align::Key),
        other => {
            let what = format!("--align {} is about order, which is ignored", other.name());
            Err(Failure::new(what)
                .coded("rule")
                .hint("--align key  compares what was asked, whatever the order"))
        }
    }
}

fn wrong(option: &str, shown: &str) -> Failure {
    Failure::new(format!("{option}: {shown}")).coded("rule")
}

pub(crate) fn alignment(name: &str) -> Result<Align, String> {
    let found = Align::NAMES.iter().find(|(_, known)| *known == name);
    found.map(|(align, _)| *align).ok_or_else(|| names(Align::NAMES.map(|(_, name)| name)))
}

fn barrier(name: &str) -> Result<Barrier, String> {
    let found = Barrier::NAMES.iter().find(|(_, known)| *known == name);
    found.map(|(barrier, _)| *barrier).ok_or_else(|| names(Barrier::NAMES.map(|(_, name)| name)))
}

fn names<const N: usize>(names: [&str; N]) -> String {
    format!("there are {}", names.join("  "))
}

fn window(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(window) if (1..=WINDOW_MAX).contains(&(window as u64)) => Ok(window),
        _ => Err(format!("write a number from 1 to {WINDOW_MAX}")),
    }
}

/// One of the words that can be ignored.
fn ignorable(name: &str) -> Result<String, String> {
    if keys::IGNORABLE.contains(&name) {
        return Ok(name.to_owned());
    }
    Err(names(keys::IGNORABLE))
}

/// The name of a preset.
fn preset(name: &str) -> Result<String, String> {
    let known = blkreplay_core::diff::PRESETS.map(|preset| preset.name);
    if known.contains(&name) {
        return Ok(name.to_owned());
    }
    Err(names(known))
}

/// Rules that meant nothing on either side. Those of a preset are told of together: not every disk has all that it masks.
pub(crate) fn unused(rules: &[IgnoreRule], meant: [&Meant; 2]) -> Vec<Warning> {
    let mut told: Vec<(&str, Option<&String>, bool)> = Vec::new();
    for (place, rule) in rules.iter().enumerate() {
        let used =
            meant.iter().any(|meant| meant.by_rule.get(place).is_some_and(|count| *count > 0));
        let name = rule.preset.unwrap_or(&rule.name);
        match told.iter_mut().find(|(known, at, _)| *known == name && *at == rule.at.as_ref()) {
            Some((.., all)) if rule.preset.is_some() => *all |= used,
            _ => told.push((name, rule.at.as_ref(), used)),
        }
    }
    let unused = told.into_iter().filter(|(.., used)| !used);
    unused
        .map(|(name, at, _)| Warning {
            code: "unused-ignore",
            message: format!("rule \"{name}\" matched nothing"),
            at: at.cloned(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use clap::{Args, FromArgMatches};

    use super::*;

    fn given(words: &[&str]) -> Given {
        let command = Given::augment_args(clap::Command::new("diff").no_binary_name(true));
        Given::from_arg_matches(&command.try_get_matches_from(words).unwrap()).unwrap()
    }

    #[test]
    fn what_was_typed_can_be_typed_again() {
        for words in [
            &["--align", "state", "--ignore", "payload", "--ignore", "flags", "--window", "7"][..],
            &["--loose", "--ignore-where", "read", "--ignore-where", "flush", "--filter", "write"],
            &["--mask", "0..8@write", "--preset", "ext4-times", "--barrier", "flush,fua"],
            &["--strict", "--config", "other.toml"],
        ] {
            assert_eq!(given(words).words().join(" "), words.join(" "));
        }
        assert_eq!(given(&["-f", "off == 0"]).words(), ["--filter 'off == 0'"]);
        assert_eq!(given(&["--budget", "count(flush)<=1"]).words(), [""; 0]);
    }
}

//! By what a pair is compared: the command line over `blkreplay.toml` over defaults. Options and a baseline in, a rule, ignore
//! rules and budgets out.
//!
//! Invariant: what is typed wins; what is typed wrong is trouble before a trace is read.

use std::path::{Path, PathBuf};

use blkreplay_core::diff::{
    Align, Barrier, BudgetRule, Does, Fact, Facts, IgnoreRule, Mask, Meant, Preset, Rule, Warning,
};
use blkreplay_core::query::Filter;
use jiff::civil::Date;

use crate::config::{Config, keys};
use crate::failure::Failure;
use crate::input;

/// What was typed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Given {
    pub(crate) config: Option<PathBuf>,
    pub(crate) align: Option<Align>,
    pub(crate) strict: bool,
    pub(crate) loose: bool,
    pub(crate) ignore: Vec<String>,
    pub(crate) barrier: Option<Barrier>,
    pub(crate) window: Option<usize>,
    pub(crate) filters: Vec<String>,
    pub(crate) ignore_where: Vec<String>,
    pub(crate) masks: Vec<String>,
    pub(crate) presets: Vec<String>,
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
            None if input::is_stdin(baseline) => Config::near(Path::new(crate::config::FILE_NAME))?,
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
            BudgetRule::parse(text).map_err(|error| wrong("--budget", &error.shown(text)))
        };
        self.budgets.iter().map(budget).collect()
    }
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

/// One of the words that can be ignored.
pub(crate) fn ignorable(name: &str) -> Result<String, String> {
    if keys::IGNORABLE.contains(&name) {
        return Ok(name.to_owned());
    }
    Err(format!("there are {}", keys::IGNORABLE.join("  ")))
}

/// The name of a preset.
pub(crate) fn preset(name: &str) -> Result<String, String> {
    let names = blkreplay_core::diff::PRESETS.map(|preset| preset.name);
    if names.contains(&name) {
        return Ok(name.to_owned());
    }
    Err(format!("there are {}", names.join("  ")))
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

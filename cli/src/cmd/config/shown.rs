//! What `config show` says: lines of TOML, each with where its value comes from.

use blkreplay_core::diff::Rule;
use blkreplay_tui::keymap::Preset;
use blkreplay_tui::look::Theme;
use blkreplay_tui::state::coloring::Color;
use jiff::civil::Date;
use serde_json::Value;

use crate::config::keys::GLYPHS;
use crate::config::{Config, Inspect, Said};

/// Lines of TOML, each with where its value comes from.
pub(super) fn shown(config: &Config, today: Date) -> Vec<(String, String)> {
    let rule = Rule::default();
    let nothing = || Value::Array(Vec::new());
    let mut lines = vec![
        line("diff.align", config.align.as_ref(), |align| align.name(), rule.align.name()),
        line("diff.ignore", config.ignore.as_ref(), |names| Value::from(names.clone()), nothing()),
        line(
            "diff.barrier",
            config.barrier.as_ref(),
            |barrier| barrier.name(),
            rule.barrier.name(),
        ),
        line("diff.window", config.window.as_ref(), |window| *window, rule.window),
        line(
            "diff.preset",
            config.presets.as_ref(),
            |presets| presets.iter().map(|preset| preset.name).collect::<Value>(),
            nothing(),
        ),
    ];
    let at = |at: Option<&String>| at.cloned().unwrap_or_default();
    for rule in &config.rules {
        let what = match &rule.rule.does {
            blkreplay_core::diff::Does::Mask(mask) => format!("masks {mask}"),
            _ => "leaves out".to_owned(),
        };
        let filter = rule.rule.filter.as_deref().unwrap_or("all requests");
        let name = Value::from(rule.rule.name.as_str());
        let until = rule.until.map_or_else(String::new, |until| {
            let off = if until < today { ", and is off" } else { "" };
            format!(", until {until}{off}")
        });
        let text = format!("# rule {name} {what} of {filter}{until}");
        lines.push((text, at(rule.rule.at.as_ref())));
    }
    for budget in &config.budgets {
        let name = Value::from(budget.name.as_str());
        let runs = if budget.depends_on_time() {
            format!(", over {} runs a side", budget.runs)
        } else {
            String::new()
        };
        let text = format!("# budget {name} {} {}{runs}", budget.metric, budget.limit());
        lines.push((text, at(budget.at.as_ref())));
    }
    for suite in &config.suites {
        let (glob, new) = (Value::from(suite.glob.as_str()), Value::from(suite.new.as_str()));
        lines.push((format!("suite.{glob}.new = {new}"), suite.at.clone()));
    }
    lines.extend(inspect(&config.inspect));
    lines
}

/// A line of TOML, and where its value comes from.
fn line<T, U: Into<Value>>(
    name: &str,
    said: Option<&Said<T>>,
    text: impl Fn(&T) -> U,
    otherwise: U,
) -> (String, String) {
    let (value, from) = match said {
        Some(said) => (text(&said.value), said.at.clone()),
        None => (otherwise, "default".to_owned()),
    };
    let value: Value = value.into();
    (format!("{name} = {value}"), from)
}

/// The name of one of a few.
fn named<T: PartialEq>(all: &[(T, &'static str)], one: &T) -> &'static str {
    all.iter().find(|(known, _)| known == one).map_or("", |(_, name)| name)
}

fn inspect(inspect: &Inspect) -> Vec<(String, String)> {
    let mut lines = vec![
        line("inspect.keys", inspect.keys.as_ref(), |keys| named(&Preset::ALL, keys), "default"),
        line("inspect.theme", inspect.theme.as_ref(), |theme| named(&Theme::ALL, theme), "default"),
        line("inspect.glyphs", inspect.glyphs.as_ref(), |glyphs| named(&GLYPHS, glyphs), "auto"),
        line("inspect.mouse", inspect.mouse.as_ref(), |mouse| *mouse, true),
        line(
            "inspect.copy-command",
            inspect.copy_command.as_ref(),
            |words| Value::from(words.clone()),
            Value::Array(Vec::new()),
        ),
    ];
    for said in &inspect.bind {
        let name = format!("inspect.bind.{}", said.value.name);
        lines.push(line(&name, Some(said), |bound| Value::from(bound.keys.clone()), Value::Null));
    }
    for Said { value: rule, at } in &inspect.colors {
        let filter = Value::from(rule.filter.as_str());
        let text =
            format!("# colour {} of requests where {filter}", named(&Color::ALL, &rule.color));
        lines.push((text, at.clone()));
    }
    for said in &inspect.filters {
        let name = format!("inspect.filters.{}", Value::from(said.value.name.as_str()));
        lines.push(line(&name, Some(said), |saved| saved.text.as_str().to_owned(), String::new()));
    }
    lines
}

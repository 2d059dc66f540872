//! A comparison that the inspector shows: what `diff` compares, and what `bless` and `review` change. Paths and options in.
//!
//! Invariant: sides, rules and trouble are those of `blkreplay diff` with the same options; budgets are not judged, which is said.

use std::path::{Path, PathBuf};

use blkreplay_core::diff::{DiffError, Learned, Report};
use blkreplay_tui::compare::Wanted;
use blkreplay_tui::{Comparison, Sides, Terms, Trouble};

use super::pair::{self, Asked, Ready, Work};
use super::settle::Given;
use super::{accept, learned, refuse, trouble};
use crate::clock;
use crate::config::{self, FILE_NAME};
use crate::failure::Failure;
use crate::input;
use crate::output::diff::{self, Found, Pair};
use crate::trace::Damage;

/// Two paths that are compared.
pub(crate) struct Inspected {
    base: PathBuf,
    new: PathBuf,
    asked: Asked,
    /// Where rules are added.
    rules: PathBuf,
    has_budgets: bool,
}

impl Inspected {
    /// Compares these, or says what of them cannot be compared, as far as that is known at once.
    pub(crate) fn new(
        base: &Path,
        new: &Path,
        given: Given,
        damage: Damage,
    ) -> Result<Inspected, Failure> {
        if input::is_stdin(base) {
            let what = "the inspector reads keys from standard input, and no base";
            return Err(Failure::new(what).hint("write it to a file first"));
        }
        let found = given.config.clone().or_else(|| config::find(base));
        let asked = Asked { damage, ..Asked::of(given, clock::today()) };
        let settled = refuse::at_once([base, new], &asked)?;
        // `diff` looks for it from the folder of the baseline on.
        let rules = found.unwrap_or_else(|| base.with_file_name(FILE_NAME));
        let has_budgets = !settled.budgets.is_empty();
        Ok(Inspected { base: base.to_owned(), new: new.to_owned(), asked, rules, has_budgets })
    }

    fn paths(&self) -> [&Path; 2] {
        [&self.base, &self.new]
    }

    fn terms(&self, pair: &Pair) -> Terms {
        let mut warnings: Vec<String> = pair.warnings.iter().map(diff::warning_words).collect();
        if self.has_budgets {
            warnings.push("budgets are not judged here: blkreplay diff does".to_owned());
        }
        Terms {
            rule: diff::rule::words(&pair.rule),
            devices: pair.devices.clone(),
            requests: [pair.base.requests, pair.new.requests],
            left_out: pair.left_out,
            warnings,
        }
    }
}

fn told(failure: &Failure) -> Trouble {
    Trouble { message: failure.to_string(), hints: failure.hints().to_vec() }
}

impl Comparison for Inspected {
    fn base(&self) -> String {
        self.base.display().to_string()
    }

    fn open(&self, wanted: Wanted<'_>, with: &mut dyn FnMut(&Sides<'_>)) -> Result<(), Trouble> {
        let mut hand_over = |ready: &Ready<'_>, pair: &mut Pair| {
            let Ready { base, new, until, rule } = *ready;
            let told = self.terms(pair);
            with(&Sides { base, new, rule, until, scratch: tempfile::tempfile, told: &told });
            Ok(Report::default())
        };
        let mut work = Work { wanted: Some(wanted), judges: false, with: &mut hand_over };
        match pair::compare_by(self.paths(), &self.asked, &mut work).found {
            Found::Trouble(trouble) => {
                Err(Trouble { message: trouble.message, hints: trouble.hints })
            }
            // They were traces when they were looked at.
            Found::Logs(_) | Found::Only(_) => {
                let message = "the files are others than before".to_owned();
                Err(Trouble { message, hints: vec!["begin anew".to_owned()] })
            }
            Found::Report(_) => Ok(()),
        }
    }

    fn trouble(&self, error: DiffError) -> Trouble {
        told(&trouble::of_comparison(error, self.paths()))
    }

    fn rules(
        &self,
        learned: &Learned,
        devices: &[String],
        reason: &str,
    ) -> Result<Option<String>, Trouble> {
        let rules = learned::rules(learned, devices, reason);
        let rules = rules.map_err(|error| told(&Failure::of(error)))?;
        Ok((!rules.is_empty()).then_some(rules))
    }

    fn rules_file(&self) -> String {
        config::shown(&self.rules)
    }

    fn ignore(&self, rules: &str) -> Result<(), Trouble> {
        learned::add(&self.rules, rules).map_err(|failure| told(&failure))
    }

    fn bless(&self) -> Result<(), Trouble> {
        accept::bless(&self.base, &self.new).map_err(|failure| told(&failure))
    }
}

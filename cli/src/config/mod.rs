//! `blkreplay.toml`: by which rules traces of a project are compared. A baseline's path in, what the nearest file says out.
//!
//! `keys` is the table of keys, `read` reads a file, `wrong` says what is wrong with it. Invariant: a file with an error is
//! trouble, never a file that says less.

pub(crate) mod keys;
mod read;
#[cfg(test)]
mod tests;
mod wrong;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use blkreplay_core::diff::{Align, Barrier, BudgetRule, IgnoreRule, MaskError, Preset, Warning};
use blkreplay_tui::keymap::{Keymap, Preset as KeyPreset, Rebinding};
use blkreplay_tui::look::{Glyphs, Theme};
use blkreplay_tui::state::coloring::ColorRule;
use blkreplay_tui::state::filter::Saved;
use jiff::civil::Date;

use crate::failure::Failure;
use crate::words::counted;
use read::FILE_BYTES_MAX;

/// What the file is called.
pub(crate) const FILE_NAME: &str = "blkreplay.toml";

/// What a file says; nothing, where there is none.
#[derive(Debug, Default)]
pub(crate) struct Config {
    /// The file; `None` if there is none.
    pub(crate) file: Option<PathBuf>,
    /// How it is called in messages.
    pub(crate) name: String,
    pub(crate) align: Option<Said<Align>>,
    pub(crate) ignore: Option<Said<Vec<String>>>,
    pub(crate) barrier: Option<Said<Barrier>>,
    pub(crate) window: Option<Said<usize>>,
    pub(crate) presets: Option<Said<Vec<&'static Preset>>>,
    pub(crate) rules: Vec<FileRule>,
    pub(crate) budgets: Vec<BudgetRule>,
    pub(crate) suites: Vec<SuiteRule>,
    pub(crate) inspect: Inspect,
}

/// How somebody wants the inspector.
#[derive(Debug, Default)]
pub(crate) struct Inspect {
    pub(crate) keys: Option<Said<KeyPreset>>,
    pub(crate) theme: Option<Said<Theme>>,
    /// `None` in it looks at the terminal.
    pub(crate) glyphs: Option<Said<Option<Glyphs>>>,
    pub(crate) mouse: Option<Said<bool>>,
    /// A program and its arguments.
    pub(crate) copy_command: Option<Said<Vec<String>>>,
    pub(crate) bind: Vec<Said<Rebinding>>,
    pub(crate) colors: Vec<Said<ColorRule>>,
    pub(crate) filters: Vec<Said<Saved>>,
    /// The keys that follow, if any was bound.
    pub(crate) keymap: Option<Keymap>,
}

impl Inspect {
    /// The keys of the preset, with those that are bound.
    pub(crate) fn keymap(&self) -> Keymap {
        let preset = self.keys.as_ref().map_or_else(KeyPreset::default, |said| said.value);
        // Presets are without fault.
        let plain = || Keymap::of(preset, &[]).unwrap_or_default();
        self.keymap.clone().unwrap_or_else(plain)
    }
}

/// A value, and where it was said, as `FILE:LINE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said<T> {
    pub(crate) value: T,
    pub(crate) at: String,
}

/// A rule with why it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileRule {
    pub(crate) rule: IgnoreRule,
    pub(crate) reason: String,
    /// Its last day.
    pub(crate) until: Option<Date>,
}

/// Which baselines have which new traces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SuiteRule {
    /// Baselines, from the file's folder on.
    pub(crate) glob: String,
    /// The new trace of each, with `{name}` for its name.
    pub(crate) new: String,
    pub(crate) at: String,
}

/// A reason that is still to be found.
pub(crate) const NO_REASON: &str = "?";

impl Config {
    /// What the file at `path` says.
    pub(crate) fn at(path: &Path) -> Result<Config, Failure> {
        Config::of(path, &read_text(path)?).map_err(|faults| {
            let more = faults.len() - 1;
            let first = faults.into_iter().next().unwrap_or_default();
            let failure = Failure::new(first).coded("config");
            match more {
                0 => failure,
                more => failure.hint(format!(
                    "blkreplay config check  tells of {} more",
                    counted(u64::try_from(more).unwrap_or(u64::MAX), "error")
                )),
            }
        })
    }

    /// What the text of a file says, or all that is wrong with it.
    pub(crate) fn of(path: &Path, text: &str) -> Result<Config, Vec<String>> {
        read::read(path.to_owned(), &shown(path), text)
            .map_err(|wrong| wrong.iter().map(ToString::to_string).collect())
    }

    /// What the nearest file says, from the folder of `baseline` upwards; nothing, if there is none.
    pub(crate) fn near(baseline: &Path) -> Result<Config, Failure> {
        match find(baseline) {
            Some(path) => Config::at(&path),
            None => Ok(Config::default()),
        }
    }

    /// The rules that hold today, and what is to be said of those that do not, or not well.
    pub(crate) fn in_force(
        &self,
        today: Date,
    ) -> Result<(Vec<IgnoreRule>, Vec<Warning>), MaskError> {
        let (mut rules, mut warnings) = (Vec::new(), Vec::new());
        if let Some(presets) = &self.presets {
            for preset in &presets.value {
                rules.extend(preset.rules(Some(&presets.at))?);
            }
        }
        for FileRule { rule, reason, until } in &self.rules {
            let mut warn = |code, message| {
                warnings.push(Warning { code, message, at: rule.at.clone() });
            };
            if reason == NO_REASON {
                warn("no-reason", format!("rule \"{}\" has no reason yet", rule.name));
            }
            match until {
                Some(until) if *until < today => warn(
                    "expired-ignore",
                    format!("rule \"{}\" held until {until} and is off", rule.name),
                ),
                _ => rules.push(rule.clone()),
            }
        }
        Ok((rules, warnings))
    }
}

/// The text of a file, which is not read further than one may be long.
pub(crate) fn read_text(path: &Path) -> Result<String, Failure> {
    let name = shown(path);
    let cannot = |error| Failure::because(format!("cannot read {name}"), error).coded("config");
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(cannot)?;
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        let what = format!("{name} has more than {FILE_BYTES_MAX} bytes");
        return Err(Failure::new(what).coded("config"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Failure::new(format!("{name} is no UTF-8 at byte {at}")).coded("config")
    })
}

/// The nearest file, from the folder of `baseline` upwards.
pub(crate) fn find(baseline: &Path) -> Option<PathBuf> {
    let folder = match baseline.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let folder = folder.canonicalize().ok()?;
    folder.ancestors().map(|folder| folder.join(FILE_NAME)).find(|path| path.is_file())
}

/// A path as it is told: from the current folder on, if it lies below.
pub(crate) fn shown(path: &Path) -> String {
    let here = Path::new(".").canonicalize().ok();
    let below = here.and_then(|here| path.strip_prefix(here).ok().map(Path::to_owned));
    below.unwrap_or_else(|| path.to_owned()).display().to_string()
}

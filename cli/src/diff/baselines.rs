//! The suites of `blkreplay.toml`: which baseline is compared with which new trace. A file in, pairs of paths out.
//!
//! `tests/traces/*.blkr` with `new = "target/traces/{name}.blkr"`: `{name}` is what the `*` of the last part stands for, so that
//! a new trace without a baseline is found as well. Invariant: every file that either side has is in one case.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use blkreplay_core::diff::Which;

use super::accept;
use crate::config::{Config, SuiteRule};
use crate::failure::Failure;

/// Folders below folders that are looked into.
const DEPTH_MAX: usize = 16;

/// Files that one suite has at most.
const FILES_MAX: usize = 1 << 16;

/// A baseline and its new trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) baseline: PathBuf,
    pub(crate) new: PathBuf,
    /// The only one of the two that is there.
    pub(crate) only: Option<Which>,
}

/// All cases of all suites.
pub(crate) fn cases(config: &Config) -> Result<Vec<Case>, Failure> {
    let folder = folder(config);
    let mut cases = Cases::default();
    for suite in &config.suites {
        let found = matches(&folder, &suite.glob)?;
        let mut is_empty = found.is_empty();
        for (baseline, name) in found {
            let new = folder.join(suite.new.replace("{name}", &name));
            let only = (!new.is_file()).then_some(Which::Base);
            cases.add(Case { baseline, new, only }, suite)?;
        }
        if let Some(glob) = reverse(suite) {
            for (new, name) in matches(&folder, &glob)? {
                is_empty = false;
                let baseline = folder.join(suite.glob.replacen('*', &name, 1));
                cases.add(Case { baseline, new, only: Some(Which::New) }, suite)?;
            }
        }
        if is_empty {
            let what = format!("{}: no file is as {} or as {}", suite.at, suite.glob, suite.new);
            return Err(Failure::new(what).coded("empty"));
        }
    }
    Ok(cases.all())
}

/// What waits for a baseline, in the order of names.
pub(crate) fn waiting(config: &Config) -> Result<Vec<Case>, Failure> {
    let folder = folder(config);
    let mut cases = Cases::default();
    for suite in &config.suites {
        let takes_pending = accept::is_pending(OsStr::new(&suite.glob));
        for (new, _) in matches(&folder, &format!("{}.new", suite.glob))? {
            let baseline = new.with_extension("");
            if takes_pending || !accept::is_pending(baseline.as_os_str()) {
                let only = (!baseline.is_file()).then_some(Which::New);
                cases.add(Case { baseline, new, only }, suite)?;
            }
        }
    }
    Ok(cases.all())
}

/// Cases by their baselines, each with where its suite was written.
#[derive(Default)]
struct Cases<'a>(BTreeMap<PathBuf, (Case, &'a str)>);

impl<'a> Cases<'a> {
    /// Adds a case of a suite. That of a baseline is not changed by its new trace; of two suites it is refused.
    fn add(&mut self, case: Case, suite: &'a SuiteRule) -> Result<(), Failure> {
        let at = suite.at.as_str();
        let baseline = case.baseline.display().to_string();
        let (_, other) = self.0.entry(case.baseline.clone()).or_insert((case, at));
        if *other != at {
            let what = format!("{baseline} is of two suites: {other} and {at}");
            return Err(Failure::new(what).hint("one of them can have other folders, or names"));
        }
        Ok(())
    }

    fn all(self) -> Vec<Case> {
        self.0.into_values().map(|(case, _)| case).collect()
    }
}

/// The folder of the file, from which paths in it count, as it is told.
fn folder(config: &Config) -> PathBuf {
    Path::new(&config.name).parent().unwrap_or(Path::new("")).to_owned()
}

/// The new traces that a suite can have; `None` if baselines cannot be told of them.
fn reverse(suite: &SuiteRule) -> Option<String> {
    let single = suite.glob.matches(['*', '?']).count() == 1 && suite.glob.contains('*');
    let named = suite.new.matches("{name}").count() == 1 && !suite.new.contains(['*', '?']);
    (single && named).then(|| suite.new.replace("{name}", "*"))
}

/// The files below a folder that are as a glob says, each with what the `*` of its last part stands for.
fn matches(folder: &Path, glob: &str) -> Result<Vec<(PathBuf, String)>, Failure> {
    let parts: Vec<&str> = glob.split('/').filter(|part| !part.is_empty()).collect();
    let mut found = Vec::new();
    walk(folder.to_owned(), &parts, 0, &mut found)?;
    found.sort();
    Ok(found)
}

fn walk(
    here: PathBuf,
    parts: &[&str],
    depth: usize,
    found: &mut Vec<(PathBuf, String)>,
) -> Result<(), Failure> {
    let Some((part, rest)) = parts.split_first() else { return Ok(()) };
    if !part.contains(['*', '?']) {
        let next = here.join(part);
        if rest.is_empty() {
            let name = next.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            found.extend(next.is_file().then_some((next, name)));
            return Ok(());
        }
        return walk(next, rest, depth, found);
    }
    let place = if here.as_os_str().is_empty() { Path::new(".") } else { &here };
    let cannot =
        |error| Failure::because(format!("cannot read the folder {}", place.display()), error);
    let entries = match fs::read_dir(place) {
        Ok(entries) => entries,
        // A file has no files below.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(());
        }
        Err(error) => return Err(cannot(error)),
    };
    for entry in entries {
        let file_name = entry.map_err(cannot)?.file_name();
        let name = file_name.to_string_lossy();
        if name.starts_with('.') {
            continue;
        }
        let path = here.join(&file_name);
        if *part == "**" {
            if !path.is_dir() {
                continue;
            }
            if depth == DEPTH_MAX {
                let what = format!("{} lies more than {DEPTH_MAX} folders deep", path.display());
                return Err(Failure::new(what));
            }
            walk(path, parts, depth + 1, found)?;
            continue;
        }
        let Some(star) = fits(part, &name) else { continue };
        if !rest.is_empty() {
            walk(path, rest, depth, found)?;
        } else if path.is_file() && is_meant(part, &file_name) {
            if file_name.to_str().is_none() {
                let what = format!("the name of {} is no UTF-8", path.display());
                return Err(
                    Failure::new(what).hint("name it otherwise, or let the glob not mean it")
                );
            }
            if found.len() == FILES_MAX {
                let what = format!("more than {FILES_MAX} files below {}", place.display());
                return Err(Failure::new(what));
            }
            found.push((path, star.to_owned()));
        }
    }
    // Of `**`, no folder at all is one way.
    if *part == "**" { walk(here, rest, depth, found) } else { Ok(()) }
}

/// Whether a name that fits is meant: what waits for a baseline is none, unless the glob says so.
fn is_meant(part: &str, name: &OsStr) -> bool {
    accept::is_pending(OsStr::new(part)) || !accept::is_pending(name)
}

/// Whether a name is as a part of a glob says, and what its first `*` stands for; all of the name if it has none.
fn fits<'a>(part: &str, name: &'a str) -> Option<&'a str> {
    let Some((before, after)) = part.split_once('*') else {
        return same(part, name).then_some(name);
    };
    let taken = prefix(before, name)?;
    let rest = &name[taken..];
    if !after.contains('*') {
        // The end is as long as it is, in letters.
        let behind = after.chars().count();
        let split = rest.char_indices().rev().take(behind).last().map_or(rest.len(), |(at, _)| at);
        let enough = rest.chars().count() >= behind;
        return (enough && same(after, &rest[split..])).then(|| &rest[..split]);
    }
    let ends = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
    ends.map(|at| (&rest[..at], &rest[at..]))
        .find(|(_, behind)| fits(after, behind).is_some())
        .map(|(star, _)| star)
}

/// How many bytes of a name its beginning takes, where `?` is any letter.
fn prefix(pattern: &str, name: &str) -> Option<usize> {
    let mut letters = name.chars();
    for wanted in pattern.chars() {
        let found = letters.next()?;
        if wanted != '?' && wanted != found {
            return None;
        }
    }
    Some(name.len() - letters.as_str().len())
}

fn same(pattern: &str, name: &str) -> bool {
    prefix(pattern, name) == Some(name.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_glob_says_which_names_fit_and_what_its_star_stands_for() {
        for (part, name, star) in [
            ("*.blkr", "boot.blkr", Some("boot")),
            ("*.blkr", "boot.blkr.txt", None),
            ("*.blkr.txt", "boot.blkr.txt", Some("boot")),
            ("boot-*", "boot-1", Some("1")),
            ("boot-*", "boot-", Some("")),
            ("a?*.b", "äx.b", None),
            ("a?*.b", "aäx.b", Some("x")),
            ("*.ä", "ö.ä", Some("ö")),
            ("*-*.b", "one-two-three.b", Some("one")),
            ("a*a", "a", None),
            ("boot", "boot", Some("boot")),
            ("boot", "boots", None),
        ] {
            assert_eq!(fits(part, name), star, "{part} {name}");
        }
    }

    fn config(folder: &Path, suites: &[(&str, &str)]) -> Config {
        let suites = suites.iter().zip(1..).map(|((glob, new), line)| SuiteRule {
            glob: (*glob).to_owned(),
            new: (*new).to_owned(),
            at: format!("a.toml:{line}"),
        });
        let name = folder.join("blkreplay.toml").display().to_string();
        Config { name, suites: suites.collect(), ..Config::default() }
    }

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        folder
    }

    fn wrong(folder: &tempfile::TempDir, suites: &[(&str, &str)]) -> String {
        let error = cases(&config(folder.path(), suites)).unwrap_err().to_string();
        error.replace(&format!("{}/", folder.path().display()), "")
    }

    fn names(
        cases: Result<Vec<Case>, Failure>,
        folder: &Path,
    ) -> Vec<(String, String, Option<Which>)> {
        let short = |path: &Path| path.strip_prefix(folder).unwrap().display().to_string();
        let cases = cases.unwrap().into_iter();
        cases.map(|case| (short(&case.baseline), short(&case.new), case.only)).collect()
    }

    #[test]
    fn baselines_and_new_traces_are_paired_by_name_and_none_is_passed_over() {
        let folder = folder(&[
            "base/a.blkr",
            "base/b.blkr",
            "base/b.blkr.new",
            "base/.c.blkr",
            "new/a.blkr",
            "new/d.blkr",
            "base/deep/e.blkr",
        ]);
        let folder = folder.path();
        let one = config(folder, &[("base/*.blkr", "new/{name}.blkr")]);
        let name = |name: &str| name.to_owned();
        assert_eq!(
            names(cases(&one), folder),
            [
                (name("base/a.blkr"), name("new/a.blkr"), None),
                (name("base/b.blkr"), name("new/b.blkr"), Some(Which::Base)),
                (name("base/d.blkr"), name("new/d.blkr"), Some(Which::New)),
            ]
        );
        assert_eq!(
            names(waiting(&one), folder),
            [(name("base/b.blkr"), name("base/b.blkr.new"), None)]
        );
        let deep = config(folder, &[("base/**/*.blkr", "new/{name}.blkr")]);
        assert_eq!(names(cases(&deep), folder).len(), 3, "a, b and e");
        let none = config(folder, &[("nowhere/*.blkr", "no/{name}.blkr")]);
        assert!(cases(&none).unwrap_err().to_string().starts_with("a.toml:1: no file is as"));
    }

    #[test]
    fn what_waits_for_a_baseline_is_none_unless_the_glob_says_so() {
        let folder = folder(&["base/a", "base/a.new", "base/a.new.new", "now/a", "now/a.new"]);
        let folder = folder.path();
        let name = |name: &str| name.to_owned();
        let one = config(folder, &[("base/*", "now/{name}")]);
        assert_eq!(names(cases(&one), folder), [(name("base/a"), name("now/a"), None)]);
        assert_eq!(names(waiting(&one), folder), [(name("base/a"), name("base/a.new"), None)]);
        let pending = config(folder, &[("base/*.new", "now/{name}.blkr")]);
        let found = names(cases(&pending), folder).into_iter().map(|(baseline, ..)| baseline);
        assert_eq!(found.collect::<Vec<_>>(), ["base/a.new", "base/a.new.new"]);
    }

    #[test]
    fn of_two_suites_each_counts_its_own_files_and_a_baseline_is_of_one_of_them() {
        let folder = folder(&["base/a", "base/b", "now/a", "now/b"]);
        let both = [("base/*", "now/{name}"), ("base/b", "now/b")];
        assert_eq!(wrong(&folder, &both), "base/b is of two suites: a.toml:1 and a.toml:2");
        let apart = config(folder.path(), &[("base/a", "now/a"), ("base/b", "now/b")]);
        assert_eq!(cases(&apart).unwrap().len(), 2);
    }

    #[test]
    fn a_file_where_a_folder_could_be_has_nothing_below() {
        let folder = folder(&["base/plain", "base/deep/a", "now/a"]);
        let found = cases(&config(folder.path(), &[("base/*/a", "now/a")])).unwrap();
        assert_eq!(found.len(), 1);
    }

    #[test]
    fn what_cannot_be_looked_at_is_trouble() {
        let folder = folder(&["base/a", "now/a"]);
        let top = folder.path();
        let name = std::os::unix::ffi::OsStrExt::from_bytes(b"x\xff");
        fs::write(top.join("base").join::<&OsStr>(name), "").unwrap();
        let said = wrong(&folder, &[("base/*", "now/{name}")]);
        assert!(said.contains("the name of base/x") && said.contains("is no UTF-8"), "{said}");
        assert_eq!(cases(&config(top, &[("base/a", "now/a")])).unwrap().len(), 1);
        std::os::unix::fs::symlink(top.join("now"), top.join("now/loop")).unwrap();
        let said = wrong(&folder, &[("now/**/a", "base/a")]);
        assert!(said.ends_with("lies more than 16 folders deep"), "{said}");
    }
}

//! Two traces that are compared on a screen, without a command line: sides without rules, and changes that are only noted.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use blkreplay_core::diff::{
    self, Bounds, DiffError, Gatherer, Ignores, Learned, Pairing, Report, Rule, Scope, TraceSide,
    Until, Which,
};
use blkreplay_core::open;
use blkreplay_core::request::{Operation, Request};
use blkreplay_fixtures::story::{self, Asked};
use blkreplay_fixtures::workload::{self, Numbers};
use bytes::Bytes;
use tempfile::TempDir;

use super::Inspector;
use crate::compare::{Comparison, Sides, Terms, Trouble, Wanted};
use crate::desk::Desk;
use crate::opened::Opened;
use crate::state::diff::Diff;
use crate::view;

/// What was changed, one after the other.
pub(super) type Changes = Arc<Mutex<Vec<String>>>;

/// A comparison without rules, which only notes what it is to change.
pub(super) struct Plain {
    paths: [PathBuf; 2],
    rule: Rule,
    pub(super) changes: Changes,
    how: How,
}

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// It is compared.
    Compares,
    /// It cannot be.
    Refuses,
    /// It goes on for as long as anybody wants it.
    Waits,
}

impl Plain {
    fn sides(&self) -> [TraceSide<std::io::BufReader<std::fs::File>>; 2] {
        let headers = [0, 1].map(|at| open::trace(&self.paths[at]).unwrap().header().clone());
        let pairing = Pairing::of(&headers[0], &headers[1]);
        [Which::Base, Which::New].map(|which| {
            let path = which.of([&self.paths[0], &self.paths[1]]).clone();
            TraceSide::new(move || Ok(open::trace(&path)?), which, &pairing)
        })
    }

    /// What core says of both.
    pub(super) fn report(&self) -> Report {
        let [base, new] = self.sides();
        let mut all = Gatherer::new(Bounds { most: 1 << 16, first_only: false, shown: Scope::All });
        diff::compare(&base, &new, &self.rule, &tempfile::tempfile, &mut all).unwrap();
        all.finish()
    }
}

impl Comparison for Plain {
    fn base(&self) -> String {
        "base.blkr".to_owned()
    }

    fn open(&self, wanted: Wanted<'_>, with: &mut dyn FnMut(&Sides<'_>)) -> Result<(), Trouble> {
        while self.how == How::Waits && wanted() {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        if self.how != How::Compares {
            let hints = vec!["blkreplay recover base.blkr".to_owned()];
            return Err(Trouble { message: "base.blkr is not whole".to_owned(), hints });
        }
        let [base, new] = self.sides();
        let requests = base_requests(&self.paths[0]);
        let told = Terms {
            rule: "align epoch".to_owned(),
            requests: [Some(requests); 2],
            ..Terms::default()
        };
        with(&Sides {
            base: &base,
            new: &new,
            rule: &self.rule,
            until: &Until::End,
            scratch: tempfile::tempfile,
            told: &told,
        });
        Ok(())
    }

    fn trouble(&self, error: DiffError) -> Trouble {
        Trouble { message: error.to_string(), hints: Vec::new() }
    }

    fn rules(
        &self,
        learned: &Learned,
        _: &[String],
        reason: &str,
    ) -> Result<Option<String>, Trouble> {
        let mut lines: Vec<String> = learned
            .presets
            .iter()
            .map(|(preset, _)| format!("preset = {:?}", preset.name))
            .collect();
        lines.extend(learned.proposals.iter().map(|one| match &one.ignores {
            Ignores::Bytes(ranges) => format!("bytes = {ranges:?}"),
            Ignores::Requests(operation, range) => format!("where = \"{operation} {range}\""),
        }));
        lines.push(format!("reason = {reason:?}"));
        Ok((lines.len() > 1).then(|| lines.join("\n")))
    }

    fn rules_file(&self) -> String {
        "blkreplay.toml".to_owned()
    }

    fn ignore(&self, rules: &str) -> Result<(), Trouble> {
        self.changes.lock().unwrap().push(rules.to_owned());
        Ok(())
    }

    fn bless(&self) -> Result<(), Trouble> {
        if !self.changes.lock().unwrap().is_empty() {
            let message = "CI is set, and there no baseline is written".to_owned();
            return Err(Trouble { message, hints: Vec::new() });
        }
        self.changes.lock().unwrap().push("blessed".to_owned());
        Ok(())
    }
}

fn base_requests(path: &Path) -> u64 {
    open::trace(path).unwrap().survey().unwrap().facts.operations.total().issues
}

/// Two traces that are looked at.
pub(super) struct Two {
    pub(super) inspector: Inspector,
    pub(super) plain: Arc<Plain>,
    _folder: TempDir,
}

/// Looks at two traces on a screen of this size.
pub(super) fn two(base: Vec<u8>, new: Vec<u8>, rule: Rule, size: (u16, u16), how: How) -> Two {
    let folder = TempDir::new().unwrap();
    let paths = ["base.blkr", "new.blkr"].map(|name| folder.path().join(name));
    std::fs::write(&paths[0], base).unwrap();
    std::fs::write(&paths[1], new).unwrap();
    let plain = Arc::new(Plain { paths, rule, changes: Changes::default(), how });
    let comparison = Arc::clone(&plain) as Arc<dyn Comparison>;
    let inspector = Inspector::comparing(&plain.paths[1], size, comparison);
    Two { inspector, plain, _folder: folder }
}

/// Looks at the two recordings of [`story::retold`].
pub(super) fn retold(size: (u16, u16)) -> Two {
    let [base, new] = story::retold();
    two(base, new, Rule::default(), size, How::Compares)
}

pub(super) fn diff(two: &Two) -> &Diff {
    two.inspector.desk.app.diff.as_ref().unwrap()
}

/// Any requests, and the same with some left out, others put in, and others changed or put elsewhere.
pub(super) fn any_pair(seed: u64) -> [Vec<u8>; 2] {
    let mut numbers = Numbers::new(seed);
    let asked = |request: Request, fill: u64| {
        let length = usize::try_from(request.range.length).unwrap();
        let is_write = request.operation == Operation::Write;
        let data = is_write.then(|| Bytes::from(workload::solid_bytes(fill, length)));
        Asked { request, data, failed: false }
    };
    let base: Vec<Asked> = (0..)
        .zip(workload::requests(seed, 300, 1 << 20))
        .map(|(fill, request)| asked(request, fill))
        .collect();
    let mut new = base.clone();
    for _ in 0..numbers.below(12) {
        let at = usize::try_from(numbers.below(new.len() as u64)).unwrap();
        match numbers.below(5) {
            0 => new[at].data = new[at].data.as_ref().map(|data| vec![9; data.len()].into()),
            1 => drop(new.remove(at)),
            2 => new.insert(at, new[at].clone()),
            3 => new[at].failed = true,
            _ => {
                let one = new.remove(at);
                new.insert(at / 2, one);
            }
        }
    }
    [story::told(base), story::told(new)]
}

impl Inspector {
    /// Looks at the same once more, with a comparison that goes on.
    pub(super) fn begin_waiting(&mut self, plain: &Plain) {
        let Plain { paths, rule, changes, .. } = plain;
        let (paths, rule, changes) = (paths.clone(), rule.clone(), Arc::clone(changes));
        let waiting = Plain { paths, rule, changes, how: How::Waits };
        let opened = Inspector::opened(&plain.paths[1], "boot.blkr");
        let comparison = Some(Arc::new(waiting) as Arc<dyn Comparison>);
        self.desk = Desk::new(Opened { comparison, ..opened }).unwrap();
        self.desk.wish();
        self.terminal.draw(|frame| view::draw(&mut self.desk.app, frame)).unwrap();
    }
}

//! Two traces that are compared on a screen, without a command line: sides without rules, and changes that are only noted.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use blkreplay_core::diff::{
    self, Bounds, DiffError, Gatherer, Ignores, Learned, Pairing, Report, Rule, Scope, TraceSide,
    Until, Which,
};
use blkreplay_core::open;
use blkreplay_core::request::{Flags, Operation, Request};
use blkreplay_core::units::ByteRange;
use blkreplay_fixtures::story::{self, Asked};
use blkreplay_fixtures::workload::{self, Numbers};
use bytes::Bytes;
use tempfile::TempDir;

use super::Inspector;
use crate::compare::{Comparison, Sides, Terms, Trouble, Wanted};
use crate::state::diff::Diff;

/// What was changed, one after the other.
pub(super) type Changes = Arc<Mutex<Vec<String>>>;

/// A comparison without rules, which only notes what it is to change.
pub(super) struct Plain {
    paths: [PathBuf; 2],
    rule: Rule,
    pub(super) changes: Changes,
    refuses: bool,
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

    fn open(&self, _: Wanted<'_>, with: &mut dyn FnMut(&Sides<'_>)) -> Result<(), Trouble> {
        if self.refuses {
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
pub(super) fn two(base: Vec<u8>, new: Vec<u8>, rule: Rule, size: (u16, u16), refuses: bool) -> Two {
    let folder = TempDir::new().unwrap();
    let paths = ["base.blkr", "new.blkr"].map(|name| folder.path().join(name));
    std::fs::write(&paths[0], base).unwrap();
    std::fs::write(&paths[1], new).unwrap();
    let plain = Arc::new(Plain { paths, rule, changes: Changes::default(), refuses });
    let comparison = Arc::clone(&plain) as Arc<dyn Comparison>;
    let inspector = Inspector::comparing(&plain.paths[1], size, comparison);
    Two { inspector, plain, _folder: folder }
}

/// A story, and the same told again: bytes of a superblock and of a write changed, a write that is new, one that is gone, one in a later
/// epoch.
pub(super) fn retold(size: (u16, u16)) -> Two {
    let write = |offset: u64, data: Vec<u8>| Asked {
        request: Request {
            operation: Operation::Write,
            range: ByteRange::new(offset, data.len() as u64),
            flags: Flags::NONE,
        },
        data: Some(Bytes::from(data)),
        failed: false,
    };
    let mut base = story::first(120);
    let mut superblock = vec![0; 4096];
    superblock[1024 + 0x38..1024 + 0x3a].copy_from_slice(&[0x53, 0xef]);
    superblock[1024 + 0x4c] = 1;
    base[12] = write(0, superblock.clone());
    let mut new = base.clone();
    superblock[1024 + 0x2c..1024 + 0x34]
        .copy_from_slice(&[0xe0, 0x1b, 0x22, 0x67, 0xe1, 0x1b, 0x22, 0x67]);
    new[12] = write(0, superblock);
    let mut changed = new[36].data.clone().unwrap().to_vec();
    changed[100..103].copy_from_slice(b"new");
    changed[3000] ^= 0xff;
    new[36].data = Some(changed.into());
    let moved = new.remove(61);
    new.insert(71, moved);
    new.remove(84);
    new.insert(95, write(8 << 20, vec![7; 512]));
    two(story::told(base), story::told(new), Rule::default(), size, false)
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

//! The comparison with a base against that of core: traces that a seed makes up in, counts and lines held against each other.

use blkreplay_core::diff::{Align, Counts, Rule};

use super::diff::{How, any_pair, diff, two};
use crate::state::diff::{Line, Stage};

#[test]
fn counts_are_those_of_core_whatever_is_compared_and_however_it_is_aligned() {
    for seed in 0..12 {
        let [base, new] = any_pair(seed);
        for (align, name) in Align::NAMES {
            let rule = Rule { align, ..Rule::default() };
            let two = two(base.clone(), new.clone(), rule, (100, 26), How::Compares);
            let report = two.plain.report();
            let diff = diff(&two);
            assert_eq!(diff.stage, Stage::Done, "{seed} {name}");
            assert_eq!(diff.found.counts, report.counts, "{seed} {name}");
            assert_eq!(diff.found.epochs, report.epochs, "{seed} {name}");
            assert_eq!(diff.found.rest, Counts::default());
            let same: u64 = diff.found.sections.iter().map(|section| section.same).sum();
            assert_eq!(same, report.counts.same, "{seed} {name}");
            let kept: Vec<_> =
                report.runs.iter().flat_map(|run| &run.kept).map(|kept| &kept.difference).collect();
            assert!(kept.into_iter().eq(&diff.found.differences), "{seed} {name}");
            let listed = diff.lines().iter().filter(|line| matches!(line, Line::Difference(_)));
            assert_eq!(listed.count() as u64, report.counts.differences(), "{seed} {name}");
        }
    }
}

#[test]
fn all_that_is_the_same_can_be_unfolded_each_with_the_one_that_is_the_same() {
    for seed in 0..12 {
        let [base, new] = any_pair(seed);
        for align in [Align::Epoch, Align::Order, Align::Key, Align::Conflict] {
            let rule = Rule { align, ..Rule::default() };
            let facts = rule.facts;
            let mut two = two(base.clone(), new.clone(), rule, (100, 26), How::Compares);
            while let Some(at) =
                diff(&two).lines().iter().position(|line| matches!(line, Line::Fold(_)))
            {
                two.inspector.press("g");
                for _ in 0..at {
                    two.inspector.desk.app.press(crate::key::Key::char('j'));
                }
                two.inspector.press("enter");
            }
            let diff = diff(&two);
            let rows = diff.lines().iter().filter(|line| matches!(line, Line::Row(..)));
            let mut seen = 0;
            let (mut bases, mut news) = (Vec::new(), Vec::new());
            for line in rows {
                let (base, new) = diff.requests(*line);
                seen += 1;
                bases.extend(base.iter().map(|one| one.place));
                news.extend(new.iter().map(|one| one.place));
                if let ([one], [other]) = (base, new) {
                    assert_eq!(one.key(facts), other.key(facts));
                }
            }
            assert_eq!(seen, diff.found.counts.same, "{seed} {}", align.name());
            let all = (bases.len(), news.len());
            for places in [&mut bases, &mut news] {
                places.sort_unstable();
                places.dedup();
            }
            assert_eq!((bases.len(), news.len()), all, "none is there twice");
            assert!(news.len() as u64 * 10 >= seen * 9, "{seed} {}", align.name());
        }
    }
}

#[test]
fn where_not_all_pairs_were_looked_for_the_view_says_so_as_the_command_does() {
    let (mut some, mut none) = (0, 0);
    for seed in 0..12 {
        let [base, new] = any_pair(seed);
        for align in [Align::Epoch, Align::Order, Align::Conflict] {
            let rule = Rule { align, window: 4, ..Rule::default() };
            let two = two(base.clone(), new.clone(), rule, (100, 26), How::Compares);
            let gave_up = two.plain.report().gave_up > 0;
            let words = "! not all pairs were looked for: more than 4 requests differ in one place";
            let screen = two.inspector.screen();
            assert_eq!(screen.contains(words), gave_up, "{seed} {}: {screen}", align.name());
            *(if gave_up { &mut some } else { &mut none }) += 1;
        }
    }
    assert!(some > 0 && none > 0, "{some} {none}");
}

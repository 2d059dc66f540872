//! Traces that were compared, as test cases for a CI server. Pairs come in, one XML document goes out.
//!
//! Each run of places is a case, and each budget. What is the same is a case that passes, so that no tests at all is never taken
//! for nothing different. GitLab shows the name of a case and the body of its failure and nothing else, so all that people need is
//! there. Invariant: a pair that does not come out as hoped has a failure or an error, any other has none.

use std::io::{self, Write};
use std::time::Duration;

use blkreplay_core::diff::Budgeted;
use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};

use super::sections::{self, Section};
use super::{Expect, Found, Pair, Verdict, budgets, places};
use crate::words::counted;

/// Writes the document.
pub(crate) fn write(pairs: &[Pair], out: &mut impl Write) -> io::Result<()> {
    let mut document = quick_junit::Report::new("blkreplay diff");
    document.set_time(pairs.iter().map(|pair| pair.took).sum::<Duration>());
    document.add_test_suites(pairs.iter().map(suite));
    let text = document.to_string().map_err(io::Error::other)?;
    out.write_all(text.as_bytes())
}

fn suite(pair: &Pair) -> TestSuite {
    let mut suite = TestSuite::new(pair.base.path.as_str());
    suite.set_time(pair.took);
    suite.add_test_cases(cases(pair).into_iter().map(|mut case| {
        case.extra.insert("file".into(), pair.base.path.as_str().into());
        case
    }));
    suite
}

fn cases(pair: &Pair) -> Vec<TestCase> {
    match &pair.found {
        Found::Trouble(trouble) => {
            let mut body = trouble.message.clone();
            trouble.hints.iter().for_each(|hint| body.extend(["\nhint: ", hint]));
            vec![failing(NonSuccessKind::Error, "compare", trouble.code, &trouble.message, &body)]
        }
        Found::Only(_) => {
            let body = format!("only one of {} and {} is there", pair.base.path, pair.new.path);
            vec![case_of(pair, "compare", "missing", &body, &body)]
        }
        Found::Report(_) | Found::Logs(_) => {
            let sections = sections::of(pair);
            let is_alone = sections.len() == 1;
            let mut cases: Vec<TestCase> =
                sections.iter().map(|section| of_section(section, is_alone, pair)).collect();
            cases.extend(pair.budgets.iter().map(|budget| of_budget(budget, pair)));
            if pair.verdict() == Verdict::Different
                && pair.over() == 0
                && sections.iter().all(Section::is_same)
            {
                cases.push(not_shown(pair));
            }
            if cases.is_empty() {
                cases.push(passing("requests", "nothing to compare"));
            }
            if pair.expect == Expect::Different && !pair.passes() {
                let what = "the traces were to be different, and are the same";
                let kind = NonSuccessKind::Failure;
                cases.push(failing(kind, "expected different", "same", what, what));
            }
            cases
        }
    }
}

/// Differences elsewhere than where `--epoch` or `--at` looks.
fn not_shown(pair: &Pair) -> TestCase {
    let counts = places::totals(&pair.counts(), 0);
    let body =
        format!("none of them is where --epoch or --at looks\nreproduce: {}", pair.command());
    case_of(pair, "not shown", "different", &counts, &body)
}

/// A failure, unless a difference was hoped for.
fn case_of(pair: &Pair, name: &str, kind: &str, message: &str, body: &str) -> TestCase {
    match pair.expect {
        Expect::Same => failing(NonSuccessKind::Failure, name, kind, message, body),
        Expect::Different => {
            let mut case = passing("requests", name);
            case.set_system_out(format!("different, as expected\n{body}"));
            case
        }
    }
}

fn of_section(section: &Section, is_alone: bool, pair: &Pair) -> TestCase {
    let counts = places::counts(&section.counts);
    let name = match section.place.as_str() {
        "" => counts.clone(),
        place => place.replace('–', "-"),
    };
    if section.is_same() {
        return passing("requests", &name);
    }
    let kinds = places::kinds(&section.counts).map(|(kind, _)| kind.name());
    let kinds = kinds.collect::<Vec<_>>().join(" ");
    let mut lines: Vec<String> = section.lines().collect();
    if section.left() > 0 {
        lines.push(format!("… {}", counted(section.left(), "more difference")));
    }
    let mut reproduce = pair.command();
    if let Some(epoch) = section.epoch.filter(|_| !is_alone) {
        reproduce = format!("{reproduce} --epoch {epoch}");
    }
    lines.push(format!("reproduce: {reproduce}"));
    case_of(pair, &name, &kinds, &counts, &lines.join("\n"))
}

fn of_budget(budget: &Budgeted, pair: &Pair) -> TestCase {
    let figures = budgets::figures(budget);
    let (change, limit) = (budgets::change(budget), &budget.limit);
    let message = format!("{figures} ({change}, limit {limit})");
    let body = format!("{} {message} {}", budget.metric, budgets::notes(budget));
    if budget.is_over() {
        let mut case = case_of(pair, &budget.name, "over-budget", &message, body.trim_end());
        case.set_classname("blkreplay.budget");
        return case;
    }
    passing("budget", &budget.name)
}

fn passing(class: &str, name: &str) -> TestCase {
    let mut case = TestCase::new(name, TestCaseStatus::success());
    case.set_classname(format!("blkreplay.{class}"));
    case
}

fn failing(kind: NonSuccessKind, name: &str, what: &str, message: &str, body: &str) -> TestCase {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_type(what).set_message(message).set_description(body);
    let mut case = TestCase::new(name, status);
    case.set_classname("blkreplay.requests");
    case
}

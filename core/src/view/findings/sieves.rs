//! Rules that are filters: rows in, findings out.
//!
//! What compares a request with all others is asked when all are known, of those that were the slowest of their operation.
//! Invariant: no more than twice `FINDINGS_SLOW_MAX` of them are kept in mind; whether one that was forgotten would have been found
//! is known.

use std::cmp::Reverse;
use std::fmt::Write as _;

use super::holes::Holes;
use super::place::Place;
use super::rules::{How, RULES, Rule};
use super::{Finding, words_of};
use crate::format::{Header, HeaderWorth};
use crate::limits::FINDINGS_SLOW_MAX;
use crate::query::{Filter, QueryError, Totals};
use crate::request::Operation;
use crate::rows::Row;
use crate::units::Nanos;

/// The rule about which block status says more.
const NEVER_WRITTEN: &str = "never-written";

/// A rule that is a filter.
#[derive(Debug)]
struct Sieve {
    rule: &'static Rule,
    /// One a device.
    filters: Vec<Filter>,
}

/// One that is asked last.
#[derive(Debug)]
struct Last {
    sieve: Sieve,
    totals: Totals,
}

/// All rules that are filters.
#[derive(Debug)]
pub(super) struct Sieves {
    each: Vec<Sieve>,
    last: Vec<Last>,
    slowest: [Slowest; Operation::NAMES.len()],
}

/// Whether blocks and lengths of devices in a header are those that there were.
pub(super) fn knows_devices(header: &Header) -> bool {
    header.recovered.as_ref().is_none_or(|recovered| recovered.header == HeaderWorth::Whole)
}

impl Sieves {
    /// For a trace with this header. Fails only if a rule is no filter, which a test excludes.
    pub(super) fn new(header: &Header) -> Result<Sieves, QueryError> {
        let mut sieves = Sieves { each: Vec::new(), last: Vec::new(), slowest: Default::default() };
        for rule in &RULES {
            let (How::Filter(text) | How::Slowest(text)) = rule.how else { continue };
            if !knows_devices(header) && (text.contains("SIZE") || text.contains("BLOCK")) {
                continue;
            }
            let filters = header.devices.iter().map(|device| {
                let block = device.block_preferred.max(device.block_min).max(1);
                let text = text.replace("BLOCK", &block.to_string());
                Filter::of(&text.replace("SIZE", &device.size.to_string()), header)
            });
            let filters = filters.collect::<Result<Vec<_>, _>>()?;
            // What is asked of all requests does not depend on the device.
            let totals = filters.first().map(Filter::first_pass);
            let sieve = Sieve { rule, filters };
            match totals.filter(|_| matches!(rule.how, How::Slowest(_))) {
                Some(totals) => sieves.last.push(Last { sieve, totals }),
                None => sieves.each.push(sieve),
            }
        }
        Ok(sieves)
    }

    pub(super) fn row(&mut self, row: &Row, holes: &Holes, found: &mut Vec<Finding>) {
        for finding in self.each.iter().filter_map(|sieve| sieve.finding(row)) {
            // The filter language knows nothing of what block status told.
            if finding.rule.name != NEVER_WRITTEN || !holes.has_data(row.device, row.request.range)
            {
                found.push(finding);
            }
        }
        if holes.is_read(row)
            && let Some(rule) = Rule::named(NEVER_WRITTEN)
        {
            let mut finding = of_row(rule, row);
            finding.detail += ", told to be a hole";
            found.push(finding);
        }
        for last in &mut self.last {
            last.totals.add(row);
        }
        self.slowest[row.request.operation as usize].add(row);
    }

    /// No rows follow. Says whether there are findings that were forgotten.
    pub(super) fn finish(&mut self, found: &mut Vec<Finding>) -> bool {
        let (mut rows, mut forgotten) = (Vec::new(), Vec::new());
        for slowest in &mut self.slowest {
            slowest.keep_slowest();
            rows.append(&mut slowest.kept);
            forgotten.extend(slowest.forgotten.take());
        }
        rows.sort_unstable_by_key(|row| row.event);
        let mut more = false;
        for Last { sieve, totals } in &mut self.last {
            for filter in &mut sieve.filters {
                filter.settle(totals);
            }
            found.extend(rows.iter().filter_map(|row| sieve.finding(row)));
            more |= forgotten.iter().any(|row| sieve.finding(row).is_some());
        }
        more
    }
}

impl Sieve {
    fn finding(&self, row: &Row) -> Option<Finding> {
        let filter = self.filters.get(usize::from(row.device.0))?;
        filter.matches(row).then(|| of_row(self.rule, row))
    }
}

/// The slowest requests of one operation.
#[derive(Debug, Default)]
struct Slowest {
    kept: Vec<Row>,
    /// The slowest of those that were forgotten.
    forgotten: Option<Row>,
}

fn latency(row: &Row) -> Nanos {
    row.completion.as_ref().map_or(Nanos(0), |completion| completion.latency)
}

impl Slowest {
    fn add(&mut self, row: &Row) {
        let least = self.forgotten.as_ref().map(latency);
        if row.completion.is_none() || least.is_some_and(|least| latency(row) <= least) {
            return;
        }
        let mut row = row.clone();
        // They take memory, and no rule asks for them.
        row.completion.iter_mut().for_each(|completion| completion.extents = Vec::new());
        self.kept.push(row);
        if self.kept.len() >= 2 * FINDINGS_SLOW_MAX {
            self.keep_slowest();
        }
    }

    fn keep_slowest(&mut self) {
        self.kept.sort_unstable_by_key(|row| (Reverse(latency(row)), row.event));
        if self.kept.len() > FINDINGS_SLOW_MAX {
            self.forgotten = Some(self.kept[FINDINGS_SLOW_MAX].clone());
            self.kept.truncate(FINDINGS_SLOW_MAX);
        }
    }
}

fn of_row(rule: &'static Rule, row: &Row) -> Finding {
    let mut detail = words_of(&row.request);
    if let Some(completion) = &row.completion {
        if let Err(errno) = completion.result {
            let refused = if completion.flags.refused { ", refused" } else { "" };
            let _ = write!(detail, " got {errno}{refused}");
        } else if rule.name == "slow" {
            let _ = write!(detail, " took {}", completion.latency);
        }
    }
    let range = row.request.range;
    Finding {
        request: Some(row.id),
        device: Some(row.device),
        range: (range.length > 0).then_some(range),
        ..Place { event: row.event, time: row.time }.finding_of(rule, detail)
    }
}

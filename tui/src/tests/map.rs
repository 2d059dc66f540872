//! The map: what cells say is what rows and statistics say, and where keys lead.

use blkreplay_core::open;
use blkreplay_core::query::Filter;
use blkreplay_core::request::Operation;
use blkreplay_core::rows::{Row, Rows};
use blkreplay_core::units::Nanos;
use blkreplay_core::view::stats::Stats;
use blkreplay_fixtures::story::{self, FAILED, REQUESTS};
use blkreplay_fixtures::{native, path};
use tempfile::NamedTempFile;

use super::Inspector;
use super::growing::damaged;
use crate::action::View;
use crate::chart::{Chart, Sums};
use crate::state::map::Value;

fn inspector(keys: &str) -> Inspector {
    let mut inspector = Inspector::new(80, 24);
    inspector.press(keys);
    inspector
}

fn written(trace: &[u8]) -> NamedTempFile {
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), trace).unwrap();
    file
}

/// What is drawn.
fn chart(inspector: &Inspector) -> &Chart {
    let map = &inspector.desk.app.map;
    let chart = map.known(&map.grid(&inspector.desk.app.whole().unwrap())).unwrap();
    assert!(chart.is_done);
    chart
}

/// The rows of a trace that a filter leaves, in order; `stats` counts them, and what it does not count passes.
fn counted(path: &std::path::Path, filter: &str) -> (Vec<Row>, Stats) {
    let reader = open::trace(path).unwrap();
    let filter = Filter::of(filter, reader.header()).unwrap();
    let mut stats = Stats::new(vec![4096]);
    let mut rows = Rows::new(reader);
    let mut all = Vec::new();
    while let Some(row) = rows.next_row().unwrap() {
        if filter.matches((&row).into()) {
            stats.count(&row);
            all.push(row);
        } else {
            stats.pass(&row);
        }
    }
    stats.finish();
    (all, stats)
}

fn sum(chart: &Chart, of: impl Fn(&Sums) -> u64) -> u64 {
    chart.sums.iter().map(of).sum()
}

//! The map: what cells say is what rows and statistics say, and where keys lead.

use std::collections::HashSet;

use blkreplay_core::open;
use blkreplay_core::query::Filter;
use blkreplay_core::request::Operation;
use blkreplay_core::rows::{Row, Rows};
use blkreplay_core::units::Nanos;
use blkreplay_core::view::stats::Stats;
use blkreplay_fixtures::story::{self, REQUESTS};
use blkreplay_fixtures::{native, path};
use tempfile::NamedTempFile;

use super::Inspector;
use super::growing::damaged;
use crate::action::View;
use crate::chart::{Chart, Sums};
use crate::state::map::Map;

pub(super) fn inspector(keys: &str) -> Inspector {
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
pub(super) fn chart(inspector: &Inspector) -> &Chart {
    let app = &inspector.desk.app;
    let grid = app.map.grid(&app.whole().unwrap());
    let chart = app.map.known(&grid, app.counted()).unwrap();
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
        if filter.matches(&row) {
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

/// What cells are to hold, found out request by request, cell by cell and sector by sector.
fn cells(chart: &Chart, rows: &[Row]) -> Vec<Sums> {
    let grid = &chart.grid;
    let mut all = vec![Sums::default(); chart.sums.len()];
    let mut sectors: HashSet<(u64, u64)> = HashSet::new();
    for (place, row) in rows.iter().enumerate() {
        let range = row.request.range;
        if row.device.0 != grid.device || range.length == 0 {
            continue;
        }
        let writes = matches!(row.request.operation, Operation::Write | Operation::WriteZeroes);
        let is_ok = row.completion.as_ref().is_some_and(|end| end.result.is_ok());
        let again: Vec<u64> = (range.offset / 512..range.end() / 512)
            .filter(|sector| {
                chart.rewrites && writes && is_ok && !sectors.insert((row.epoch, *sector))
            })
            .collect();
        for column in (0..grid.width()).filter(|at| grid.times_of(*at).contains(&row.time.0)) {
            for at in 0..grid.height() {
                let cell = grid.offsets_of(at);
                let (from, to) = (cell.start.max(range.offset), cell.end.min(range.end()));
                if from >= to {
                    continue;
                }
                let sums = &mut all[at * grid.width() + column];
                let latency = row.completion.as_ref().map_or(Nanos(0), |end| end.latency);
                if sums.requests == 0 {
                    (sums.first, sums.slowest) = (place as u64, place as u64);
                }
                if latency > sums.latency {
                    (sums.latency, sums.slowest) = (latency, place as u64);
                }
                sums.requests += 1;
                sums.bytes += to - from;
                let is_here = |sector: &&u64| cell.contains(&(**sector * 512));
                sums.rewritten += 512 * again.iter().filter(is_here).count() as u64;
            }
        }
    }
    all
}

#[test]
fn the_sums_of_all_cells_are_those_of_stats() {
    for filter in ["", "op == write", "lat > 200us && !discard", "err"] {
        let file = written(&story::trace());
        let asked = if filter.is_empty() { "t >= 0s" } else { filter };
        let (_, stats) = counted(file.path(), asked);
        let mut inspector = Inspector::of(file.path(), 80, 24);
        inspector.press(&format!("f '{filter}' enter 2 o o o"));
        for scale in ["L", "L"] {
            inspector.press(scale);
            let chart = chart(&inspector);
            assert_eq!(sum(chart, |sums| sums.bytes), stats.sum(|tally| tally.bytes), "{filter}");
            let rewritten = sum(chart, |sums| sums.rewritten);
            assert_eq!(rewritten, stats.discipline().rewritten, "{filter}");
            let longest = chart.sums.iter().map(|sums| sums.latency.0).max();
            let ranged = stats.operations().filter(|(operation, _)| *operation != Operation::Flush);
            assert_eq!(longest, ranged.filter_map(|(_, tally)| tally.latency.max()).max());
        }
    }
}

#[test]
fn every_cell_holds_what_its_requests_do_however_the_window_lies() {
    let file = written(&story::trace());
    let (rows, _) = counted(file.path(), "t >= 0s");
    for keys in ["2", "2 L", "e 2 z", "e 2 z z z { {", "2 { { { L z o o o", "e 2 o o o z z"] {
        let mut inspector = Inspector::of(file.path(), 80, 24);
        inspector.press(keys);
        let chart = chart(&inspector);
        assert!(chart.sums.iter().any(|sums| sums.requests > 0), "{keys}");
        assert_eq!(chart.sums, cells(chart, &rows), "{keys}");
    }
}

#[test]
fn a_window_of_many_pages_is_read_where_it_lies_and_a_device_at_a_time() {
    let file = written(&native::many_chunks(300));
    let (rows, _) = counted(file.path(), "t >= 0s");
    let mut inspector = Inspector::of(file.path(), 80, 9);
    inspector.press("2");
    let all = chart(&inspector).pages.1;
    assert!(inspector.screen().contains("journal, 2 of 2"), "{}", inspector.screen());
    // What was written again is known only to who saw all that was before.
    for (keys, device, is_part) in [
        ("z z z", 1, true),
        ("D", 0, true),
        ("o o", 0, true),
        ("G", 0, true),
        ("o", 0, false),
        ("Z Z Z Z", 0, false),
        ("D", 1, false),
    ] {
        inspector.press(keys);
        let chart = chart(&inspector);
        assert_eq!(chart.grid.device, device, "{keys}");
        assert_eq!(chart.sums, cells(chart, &rows), "{keys}");
        assert_eq!(chart.pages.0, chart.pages.1);
        assert_eq!(chart.pages.1 < all, is_part, "{keys} {:?} of {all}", chart.pages);
    }
    inspector.press("D");
    assert!(inspector.screen().contains("disk, 1 of 2"), "{}", inspector.screen());
}

#[test]
fn enter_filters_to_the_cell_and_shows_its_requests() {
    for name in ["native/two-devices.blkr", "native/operations.blkr", "native/sessions.blkr"] {
        let mut inspector = Inspector::of(&path(name), 60, 15);
        inspector.press("2");
        let app = &inspector.desk.app;
        let cells = app.map.grid(&app.whole().unwrap());
        let mut entered = 0;
        for (column, row) in
            (0..cells.width()).flat_map(|at| (0..cells.height()).map(move |row| (at, row)))
        {
            let sums = chart(&inspector).sums(column, row);
            if sums.requests == 0 {
                continue;
            }
            inspector.press("G");
            inspector.press(&"left ".repeat(cells.width() - 1 - column));
            inspector.press(&"down ".repeat(cells.height()));
            inspector.press(&"up ".repeat(row));
            let focused = inspector.focused();
            inspector.press("enter");
            assert_eq!(inspector.desk.app.view, View::Requests);
            let text = inspector.desk.app.filtering.text().to_owned();
            assert_eq!(inspector.shown(), sums.requests, "{name}: {text}");
            assert_eq!(inspector.focused(), focused, "{name}: {text}");
            let devices = inspector.desk.app.header.devices.len();
            assert_eq!(text.starts_with("dev == "), devices > 1, "{text}");
            inspector.press("2");
            assert_eq!(sum(chart(&inspector), |sums| sums.requests), sum_of_filtered(&inspector));
            inspector.press("f ctrl-u enter");
            entered += 1;
        }
        assert!(entered > 1, "{name}");
    }
}

/// Cells that the requests which a filter leaves touch, each as often as it is touched.
fn sum_of_filtered(inspector: &Inspector) -> u64 {
    let app = &inspector.desk.app;
    let grid = app.map.grid(&app.whole().unwrap());
    let rows = app.requests.on_screen().into_iter().filter_map(|place| app.requests.row(place));
    let shown: Vec<&Row> = rows.filter(|row| row.device.0 == grid.device).collect();
    assert!(shown.len() as u64 == app.requests.shown());
    shown.iter().map(|row| grid.rows(row.request.range).len() as u64).sum()
}

#[test]
fn a_map_that_is_not_done_says_so_and_esc_cancels_it() {
    let mut inspector = inspector("2");
    let all = sum(chart(&inspector), |sums| sums.bytes);
    inspector.press("1 esc");
    inspector.desk.app.map = Map::default();
    let draw = |inspector: &mut Inspector| {
        let Inspector { desk, terminal, .. } = inspector;
        terminal.draw(|frame| crate::view::draw(&mut desk.app, frame)).unwrap();
        desk.wish();
    };
    inspector.desk.app.press('2'.to_string().parse().unwrap());
    draw(&mut inspector);
    assert!(inspector.desk.app.map.counting() > 0);
    draw(&mut inspector);
    let screen = inspector.screen();
    let heading = screen.lines().nth(1).unwrap_or_default();
    assert!(
        heading.starts_with(" ~bytes a cell") && heading.ends_with("0 %, esc stops"),
        "{screen}"
    );
    inspector.press("esc");
    assert_eq!(inspector.desk.app.map.counting(), 0);
    assert!(
        inspector.screen().contains("~bytes a cell  it was cancelled"),
        "{}",
        inspector.screen()
    );
    inspector.press("z");
    assert!(sum(chart(&inspector), |sums| sums.requests) > 0);
    // Who shows another view does not want it any more, and who comes back does.
    inspector.desk.app.press("Z".parse().unwrap());
    draw(&mut inspector);
    inspector.desk.app.press("1".parse().unwrap());
    draw(&mut inspector);
    assert_eq!(inspector.desk.app.map.counting(), 0);
    inspector.press("2");
    assert_eq!(sum(chart(&inspector), |sums| sums.bytes), all);
}

#[test]
fn a_map_waits_for_the_filter_and_one_that_saw_a_part_is_approximate() {
    let mut inspector = inspector("2 f 'op == write'");
    inspector.desk.app.press("enter".parse().unwrap());
    let Inspector { desk, terminal, .. } = &mut inspector;
    terminal.draw(|frame| crate::view::draw(&mut desk.app, frame)).unwrap();
    desk.wish();
    assert_eq!(desk.app.map.counting(), 0);
    assert!(inspector.screen().contains("~bytes a cell  waits for the filter"));
    inspector.press("esc");
    let screen = inspector.screen();
    assert!(screen.contains("~bytes a cell  the filter did not see all"), "{screen}");
    inspector.press("f ctrl-u 'lat > 1h' enter");
    assert!(inspector.screen().contains(" bytes a cell  nothing that the filter leaves"));
}

#[test]
fn traces_without_requests_or_whole_chunks_say_what_is_missing() {
    let file = written(&story::empty());
    let mut inspector = Inspector::of(file.path(), 80, 24);
    inspector.press("2 z Z { } o L D enter left right g G j k");
    assert!(inspector.screen().contains("there are no requests in this trace"));

    let mut inspector = Inspector::new(80, 24);
    inspector.press("2 pgup { {");
    let screen = inspector.screen();
    assert!(screen.contains(" bytes a cell  nothing in this window"), "{screen}");

    let file = written(&damaged());
    let mut inspector = Inspector::of(file.path(), 80, 24);
    inspector.press("2");
    let (seen, unread) = (sum(chart(&inspector), |sums| sums.requests), chart(&inspector).unread);
    assert!(seen > 0 && unread > 0 && unread < REQUESTS, "{seen} {unread}");
    let screen = inspector.screen();
    assert!(screen.contains("~bytes a cell"), "{screen}");
    assert!(screen.contains(&format!("{unread} requests cannot be read")), "{screen}");

    let file = written(&story::trace());
    let mut inspector = Inspector::of(file.path(), 120, 24);
    drop(file);
    inspector.press("2");
    assert!(inspector.screen().contains("~bytes a cell  cannot open the trace once more"));
}

#[test]
fn a_map_grows_to_requests_beyond_the_end_of_their_device() {
    let trace = path("native/sessions.blkr");
    let (rows, _) = counted(&trace, "t >= 0s");
    let mut inspector = Inspector::of(&trace, 80, 24);
    inspector.press("2");
    let chart = chart(&inspector);
    let ranges = rows.iter().filter(|row| row.device.0 == chart.grid.device);
    let ranges = ranges.map(|row| row.request.range).filter(|range| range.length > 0);
    let size = inspector.desk.app.header.devices[usize::from(chart.grid.device)].size;
    assert!(ranges.clone().any(|range| range.end() > size));
    let bytes: u64 = ranges.map(|range| range.end() - range.offset).sum();
    assert_eq!(sum(chart, |sums| sums.bytes), bytes);
}

#[test]
fn cells_without_requests_cannot_be_entered() {
    let mut inspector = inspector("2 pgup enter");
    assert_eq!(inspector.message(), "there is no request in this cell");
    assert_eq!(inspector.desk.app.view, View::Map);
    inspector.press("o o o : '#121' enter");
    assert!(inspector.screen().contains("rewritten bytes a cell"), "{}", inspector.screen());
}

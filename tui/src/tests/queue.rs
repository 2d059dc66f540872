//! The queue: numbers held against those that core gives for the rows, and where keys lead.

use std::io::Cursor;

use blkreplay_core::format::Reader;
use blkreplay_core::request::DeviceId;
use blkreplay_core::rows::{Row, Rows};
use blkreplay_core::units::Nanos;
use blkreplay_fixtures::story::{self, FAILED, REQUESTS};
use blkreplay_fixtures::{bytes, native, path};
use snapbox::file;

use super::Inspector;
use super::growing::{damaged, file};
use super::screens::looks_like;
use super::stats::by_core;
use crate::action::View;
use crate::flight::Flight;
use crate::state::slices::SLICES;

fn inspector(keys: &str) -> Inspector {
    let mut inspector = Inspector::new(100, 40);
    inspector.press(keys);
    inspector
}

fn flight(inspector: &Inspector) -> &Flight {
    inspector.desk.app.flight().unwrap()
}

fn rows(trace: &[u8]) -> Vec<Row> {
    let mut rows = Rows::new(Reader::open(Cursor::new(trace.to_vec())).unwrap());
    std::iter::from_fn(|| rows.next_row().unwrap()).collect()
}

/// How many requests of a device are in flight at each time, of those that count; and how many were when each was issued.
fn depths(rows: &[Row], device: u16, counts: impl Fn(&Row) -> bool) -> (Vec<(u64, i64)>, Vec<u64>) {
    let rows = rows.iter().filter(|row| row.device.0 == device && counts(row));
    let mut changes: Vec<(u64, i64)> = Vec::new();
    for row in rows {
        changes.push((row.time.0, 1));
        let end = row.completion.as_ref();
        changes.extend(end.map(|end| (row.time.0 + end.latency.0 + end.hold.0, -1)));
    }
    changes.sort_by_key(|(time, change)| (*time, -change));
    let mut depth = 0;
    let mut issued = Vec::new();
    for (_, change) in &mut changes {
        depth += *change;
        if *change > 0 {
            issued.push(u64::try_from(depth).unwrap());
        }
        *change = depth;
    }
    (changes, issued)
}

#[test]
fn depths_at_issue_and_the_average_are_those_of_stats() {
    let inspector = inspector("4");
    let flight = flight(&inspector);
    assert!(flight.is_exact());
    let lane = &flight.lanes[&DeviceId(0)];
    let stats = by_core(|_| true);
    let depth = stats.depth();
    assert_eq!((lane.issued_at.count(), lane.issued_at.max()), (REQUESTS, depth.max()));
    assert_eq!(lane.issued_at.powers(), depth.powers());
    assert_eq!(Some(lane.max), depth.max());
    let screen = inspector.screen();
    let mean = stats.pace().in_flight(stats.pace().span()).unwrap();
    let sums = format!("max {}  avg {mean:.2}  longest stall ", depth.max().unwrap());
    assert!(screen.contains(&sums), "{sums}: {screen}");
    inspector_stats_say_the_same(&format!("avg {mean:.2}, max {}", lane.max));
}

fn inspector_stats_say_the_same(text: &str) {
    let inspector = inspector("5");
    assert!(inspector.screen().contains(text), "{text}: {}", inspector.screen());
}

#[test]
fn time_at_each_depth_and_slices_are_what_rows_say_with_a_filter_and_without() {
    let rows = rows(&story::trace());
    let long: fn(&Row) -> bool =
        |row| row.completion.as_ref().is_some_and(|end| end.latency.0 > 200_000);
    let all: fn(&Row) -> bool = |_| true;
    for (keys, counts) in [("4", all), ("f 'lat > 200us' enter 4", long)] {
        let inspector = inspector(keys);
        let flight = flight(&inspector);
        let lane = &flight.lanes[&DeviceId(0)];
        let (changes, issued) = depths(&rows, 0, counts);
        assert_eq!(lane.issued_at.count(), issued.len() as u64);
        assert_eq!(lane.issued_at.max(), issued.iter().copied().max(), "{keys}");
        let mut held: u128 = 0;
        let mut idle = 0;
        for two in changes.windows(2) {
            let span = two[1].0 - two[0].0;
            held += u128::from(span) * u128::try_from(two[0].1).unwrap();
            idle += if two[0].1 == 0 { span } else { 0 };
        }
        assert_eq!(lane.held(), held, "{keys}");
        let first = changes[0].0 - flight.slices.window().start;
        let last = flight.reached.0 - changes.last().unwrap().0;
        assert_eq!(lane.time_at[0], first + idle + last, "{keys}");
        for slice in (0..SLICES).step_by(7) {
            let times = flight.slices.start(slice)..flight.slices.start(slice + 1);
            let before = changes.iter().rev().find(|(time, _)| *time < times.start);
            let within = changes.iter().filter(|(time, _)| times.contains(time));
            let max = before.into_iter().chain(within).map(|(_, depth)| *depth).max().unwrap_or(0);
            assert_eq!(i64::try_from(lane.slices[slice].max).unwrap(), max, "{keys} {slice}");
        }
        let said = inspector.screen().contains("only what the filter leaves");
        assert_eq!(said, keys.contains('f'), "{}", inspector.screen());
    }
}

#[test]
fn the_longest_stall_is_the_longest_time_without_a_completion() {
    let (changes, _) = depths(&rows(&story::trace()), 0, |_| true);
    let mut since = 0;
    let mut before = 0;
    let mut longest = (0, 0);
    for (time, depth) in changes {
        if depth > before && before == 0 {
            since = time;
        }
        if depth < before {
            if time - since > longest.0 {
                longest = (time - since, since);
            }
            since = time;
        }
        before = depth;
    }
    let inspector = inspector("4");
    let stall = flight(&inspector).lanes[&DeviceId(0)].stall.unwrap();
    assert_eq!((stall.span, stall.from), (Nanos(longest.0), Nanos(longest.1)));
    let text = format!("longest stall {}", Nanos(longest.0));
    assert!(inspector.screen().contains(&text), "{text}: {}", inspector.screen());
}

#[test]
fn a_window_in_the_middle_says_of_its_times_what_the_whole_says() {
    let mut inspector = inspector(": '300' enter 4 z z z");
    let zoomed = flight(&inspector).clone();
    inspector.press("Z Z Z Z");
    let whole = flight(&inspector);
    let window = zoomed.slices.window();
    assert!(window.start > 0 && window.end < whole.slices.window().end, "{window:?}");
    let issued = |flight: &Flight| -> u64 {
        let all = 0..SLICES;
        let inside = all.filter(|slice| window.contains(&flight.slices.start(*slice)));
        inside.map(|slice| u64::from(flight.requests[slice].iter().sum::<u32>())).sum()
    };
    assert_eq!(issued(&zoomed), issued(whole));
    let [small, large] = [&zoomed, whole].map(|flight| &flight.lanes[&DeviceId(0)]);
    let from = whole.slices.holding(window.start).unwrap();
    let to = whole.slices.holding(window.end).unwrap();
    let most = large.slices[from..to].iter().map(|slice| slice.max).max();
    assert_eq!(Some(small.max), most);
    // Places are those of the whole trace, although what lies before the window was not read.
    let first = small.slices.iter().find_map(|slice| slice.first).unwrap();
    assert!(first > 100);
    assert_eq!(large.slices[from..].iter().find_map(|slice| slice.first), Some(first));
}

#[test]
fn keys_go_from_column_to_column_and_enter_to_the_deepest_moment() {
    let mut inspector = inspector(": '121' enter 4");
    let column = |inspector: &Inspector| inspector.desk.app.queue_columns().unwrap().1.unwrap();
    let at = column(&inspector);
    inspector.press("l");
    assert!(column(&inspector) > at);
    inspector.press("h h");
    assert!(column(&inspector) < at);
    inspector.press("G");
    assert_eq!(inspector.focused(), REQUESTS - 1);
    inspector.press("l");
    assert_eq!(inspector.focused(), REQUESTS - 1, "nothing comes behind it");
    inspector.press("g h");
    assert_eq!(inspector.focused(), 0);
    inspector.press(": '121' enter 4");
    let (columns, at) = inspector.desk.app.queue_columns().unwrap();
    let depth = inspector.desk.app.depth(&columns, at.unwrap()).unwrap();
    inspector.press("enter");
    assert_eq!(inspector.desk.app.view, View::Requests);
    let row = inspector.desk.app.requests.focused().unwrap();
    assert_eq!(Some(inspector.desk.app.requests.focus()), depth.deepest);
    let times = columns.times_of(at.unwrap());
    assert!(row.time.0 < times.end);
    let (_, issued) = depths(&rows(&story::trace()), 0, |_| true);
    assert_eq!(issued[usize::try_from(row.id.0).unwrap()], depth.max);
}

#[test]
fn the_column_of_the_focus_can_be_filtered_to_and_left_out() {
    let mut inspector = inspector(": '121' enter 4 =");
    assert_eq!(inspector.desk.app.view, View::Queue);
    let shown = inspector.shown();
    assert!((1..20).contains(&shown), "{shown}");
    assert_eq!(inspector.focused(), FAILED);
    inspector.press("backspace backspace");
    assert_eq!(inspector.shown(), REQUESTS);
    inspector.press(": '121' enter -".replace('-', "minus").as_str());
    assert_eq!(inspector.shown(), REQUESTS - shown);
}

#[test]
fn each_device_has_a_queue_of_its_own() {
    let trace = native::many_chunks(300);
    let file = file(&trace);
    let mut inspector = Inspector::of(file.path(), 120, 40);
    inspector.press("4");
    let all = rows(&trace);
    for (device, name) in [(0, "disk"), (1, "journal")] {
        let (_, issued) = depths(&all, device, |_| true);
        let lane = &flight(&inspector).lanes[&DeviceId(device)];
        let core = all.iter().filter(|row| row.device.0 == device);
        let most = core.filter_map(|row| row.context.depth).max().map(u64::from);
        assert_eq!((lane.issued_at.count(), lane.issued_at.max()), (issued.len() as u64, most));
        let screen = inspector.screen();
        assert!(screen.contains(&format!("{name}  max {}", lane.max)), "{screen}");
    }
    let focused = inspector.desk.app.requests.focused().unwrap().device;
    let first = |inspector: &Inspector| inspector.screen().lines().nth(1).unwrap().to_owned();
    let shown = first(&inspector);
    assert!(
        shown.contains(if focused.0 == 0 { "disk, 1 of 2" } else { "journal, 2 of 2" }),
        "{shown}"
    );
    inspector.press("D");
    assert_ne!(first(&inspector), shown);
    inspector.press("D");
    assert_eq!(first(&inspector), shown);
    let mut one = self::inspector("4 D");
    assert_eq!(one.message(), "one device was asked");
    one.press("L");
    assert_eq!(one.message(), "that is for the map; 2 shows it");
}

#[test]
fn a_damaged_trace_an_empty_one_and_one_that_is_gone_say_so() {
    let broken = file(&damaged());
    let mut inspector = Inspector::of(broken.path(), 100, 40);
    inspector.press("4");
    let screen = inspector.screen();
    assert!(screen.contains("a part cannot be read") && screen.contains("max ~"), "{screen}");
    let nothing = file(&story::empty());
    let mut inspector = Inspector::of(nothing.path(), 80, 24);
    inspector.press("4 l h enter = z D alt-l");
    assert!(inspector.screen().contains("there are no requests in this trace"));
    let gone = file(&story::trace());
    let mut inspector = Inspector::of(gone.path(), 59, 14);
    drop(gone);
    inspector.press("4");
    assert!(inspector.screen().contains("cannot open the trace"), "{}", inspector.screen());
}

#[test]
fn every_kept_trace_has_a_queue_that_equals_its_rows() {
    for name in ["sessions", "operations", "two-devices", "later", "indexed", "columns"] {
        let trace = bytes(&format!("native/{name}.blkr"));
        let mut inspector = Inspector::of(&path(&format!("native/{name}.blkr")), 80, 24);
        inspector.press("4");
        let rows = rows(&trace);
        for (device, lane) in &flight(&inspector).lanes {
            let of = rows.iter().filter(|row| row.device == *device);
            let depths = of.filter_map(|row| row.context.depth).map(u64::from);
            let sum: u128 = depths.clone().map(u128::from).sum();
            assert_eq!((lane.issued_at.max(), lane.issued_at.sum()), (depths.max(), sum), "{name}");
        }
    }
}

#[test]
fn it_is_drawn_at_every_size() {
    const QUEUE: &str = "e 4";
    looks_like(file!["screens/queue-40x10.txt"], (40, 10), QUEUE);
    looks_like(file!["screens/queue-80x24.txt"], (80, 24), QUEUE);
    looks_like(file!["screens/queue-120x40.txt"], (120, 40), QUEUE);
    looks_like(file!["screens/queue-200x60.txt"], (200, 60), "e 4 z z z");
    looks_like(file!["screens/queue-filter-80x24.txt"], (80, 24), "f 'lat > 250us' enter e 4");
}

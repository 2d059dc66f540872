//! What is copied of a request, and what is shown written to files: keys in, texts and files out.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use blkreplay_core::edit::Planned;
use blkreplay_core::format::{Survey, Writer};
use blkreplay_core::open;
use blkreplay_core::query::Filter;
use blkreplay_core::rows::{Row, Rows};
use blkreplay_fixtures::story::{FAILED, REQUESTS, trace};

use super::Inspector;
use super::outlet::Plain;
use crate::app::{Effect, Over};
use crate::kept;
use crate::outlet::{Form, Kind, Outlet, Sink};
use crate::writer::{self, Fate, Order, Told};

fn copied(inspector: &mut Inspector, keys: &str) -> String {
    match inspector.press(keys) {
        Some(Effect::Copy(text)) => text,
        other => panic!("{keys}: {other:?}, {}", inspector.message()),
    }
}

/// The requests of a trace, read from its beginning.
fn rows(path: &Path) -> Vec<Row> {
    let mut rows = Rows::new(open::trace(path).unwrap());
    std::iter::from_fn(|| rows.next_row().unwrap()).collect()
}

/// The inspector on the trace of the story, in a directory of its own.
fn in_directory() -> (tempfile::TempDir, Inspector) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("boot.blkr");
    fs::write(&path, trace()).unwrap();
    let inspector = Inspector::of(&path, 100, 30);
    (directory, inspector)
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

const NO_FUA: &str = " # without fua, which a log of fio lacks";

#[test]
fn a_request_is_copied_as_what_other_tools_read() {
    let mut inspector = Inspector::new(100, 30);
    inspector.press("e");
    let digits = |at: usize| format!("{:02x}", (121 + at / 64) % 256);
    let data = (0..4096).map(digits).collect::<Vec<_>>().concat();
    assert_eq!(copied(&mut inspector, "y p"), data);
    assert_eq!(copied(&mut inspector, "y j"), format!("{{\"id\":{FAILED}}}"));
    let pwrite =
        format!("h.pwrite(bytes.fromhex(\"{data}\"), 135266304, flags=nbd.CMD_FLAG_FUA)\n");
    assert_eq!(copied(&mut inspector, "y n"), pwrite);
    assert_eq!(
        copied(&mut inspector, "y i"),
        format!("48400 disk0 write 135266304 4096{NO_FUA}\n")
    );
    for (id, nbdsh, iolog) in [
        (5, "h.pread(4096, 20480)\n", "2000 disk0 read 20480 4096\n"),
        (3, "h.trim(1048576, 70254592)\n", "1200 disk0 trim 70254592 1048576\n"),
        (9, "h.flush()\n", "3600 disk0 sync 0 0\n"),
    ] {
        inspector.press(&format!(": '#{id}' enter"));
        assert_eq!(copied(&mut inspector, "y n"), nbdsh);
        assert_eq!(copied(&mut inspector, "y i"), iolog);
    }
    assert_eq!(inspector.press("y p"), None);
    assert_eq!(inspector.message(), "this request has no data");
}

#[test]
fn data_of_zeroes_are_copied_as_digits_too() {
    let mut inspector = Inspector::new(100, 30);
    inspector.press(": '5' enter");
    assert_eq!(copied(&mut inspector, "y p"), "00".repeat(4096));
}

#[test]
fn a_text_that_no_clipboard_takes_is_put_into_a_file_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let text = "0123456789".repeat(10_000);
    let path = kept::keep(&text).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let mut inspector = Inspector::new(100, 30);
    inspector.desk.app.kept(Ok(path.clone()));
    assert!(inspector.message().ends_with(&path.display().to_string()));
    fs::remove_file(path).unwrap();
}

#[test]
fn what_is_shown_is_written_in_the_form_that_the_ending_says() {
    let (directory, mut inspector) = in_directory();
    let at = |name: &str| directory.path().join(name);
    let filter = "op == flush && id > 100";
    inspector.press(&format!("f '{filter}' enter"));
    let meant = Filter::of(filter, &inspector.desk.app.header).unwrap();
    let all = rows(&at("boot.blkr"));
    let expected: Vec<&Row> = all.iter().filter(|row| meant.matches(*row)).collect();
    let lines: Vec<String> = expected.iter().map(|row| row.id.0.to_string()).collect();
    assert_eq!(lines.len(), 50);
    for (name, first) in [("a.jsonl", ""), ("a.csv", "id\n"), ("a.txt", "id\n")] {
        inspector.press(&format!("> '{}' enter", at(name).display()));
        assert!(
            inspector.message().starts_with("wrote 50 requests to "),
            "{}",
            inspector.message()
        );
        let line = |id: &String| {
            if first.is_empty() { format!("{{\"id\":{id}}}\n") } else { format!("{id}\n") }
        };
        let text: String = lines.iter().map(line).collect();
        assert_eq!(fs::read_to_string(at(name)).unwrap(), format!("{first}{text}"));
    }
    inspector.press(&format!("> '{}' enter", at("a.blkr").display()));
    assert!(inspector.message().starts_with("wrote 50 requests to "), "{}", inspector.message());
    let part = rows(&at("a.blkr"));
    let same = |row: &Row| (row.id, row.time, row.request, row.completion.clone());
    assert!(part.iter().map(same).eq(expected.iter().map(|row| same(row))));
    let header = open::trace(&at("a.blkr")).unwrap().header().clone();
    assert_eq!(header.edits.sliced[0].filter.as_deref(), Some(filter));
    // Without a filter all is shown.
    inspector.press("backspace backspace");
    inspector.press(&format!("> '{}' enter", at("all.blkr").display()));
    assert_eq!(rows(&at("all.blkr")).len() as u64, REQUESTS);
    assert_eq!(
        names(directory.path()),
        ["a.blkr", "a.csv", "a.jsonl", "a.txt", "all.blkr", "boot.blkr"]
    );
}

#[test]
fn a_name_is_refused_until_it_says_what_the_file_holds_and_hurts_nothing() {
    let (directory, mut inspector) = in_directory();
    let at = |name: &str| directory.path().join(name).display().to_string();
    let before = fs::read(at("boot.blkr")).unwrap();
    let error = |inspector: &Inspector| match &inspector.desk.app.over {
        Some(Over::File(naming)) => naming.error.clone().unwrap_or_default(),
        other => panic!("{other:?}"),
    };
    for (name, what) in [
        (String::new(), "a name is missing".to_owned()),
        (at("a"), "its ending says what it holds: .jsonl .csv .txt .blkr".to_owned()),
        (at("boot.blkr"), format!("{} is the trace that you look at", at("boot.blkr"))),
    ] {
        inspector.press(&format!("> '{name}' enter"));
        assert_eq!(error(&inspector), what);
        inspector.press("esc");
    }
    fs::create_dir(at("d.csv")).unwrap();
    inspector.press(&format!("> '{}' enter", at("d.csv")));
    assert_eq!(error(&inspector), format!("{} is no regular file", at("d.csv")));
    inspector.press("esc");
    assert_eq!(fs::read(at("boot.blkr")).unwrap(), before);
    inspector.press(&format!("> '{}' enter", at("gone/a.csv")));
    let gone = "was not written: No such file or directory (os error 2)";
    assert_eq!(inspector.message(), format!("{} {gone}", at("gone/a.csv")));
}

#[test]
fn a_file_that_is_there_is_written_over_when_that_is_said_twice() {
    let (directory, mut inspector) = in_directory();
    let path = directory.path().join("a.csv");
    fs::write(&path, "old").unwrap();
    inspector.press(&format!("> '{}' enter", path.display()));
    assert!(inspector.screen().contains("enter writes over it"), "{}", inspector.screen());
    assert_eq!(fs::read(&path).unwrap(), b"old");
    inspector.press("esc");
    assert_eq!(fs::read(&path).unwrap(), b"old");
    inspector.press(&format!("> '{}' enter enter", path.display()));
    assert_eq!(fs::read_to_string(&path).unwrap().lines().count() as u64, REQUESTS + 1);
}

#[test]
fn tab_writes_the_endings_one_after_the_other() {
    let mut inspector = Inspector::new(100, 30);
    for (typed, completed) in [
        ("> 'out' tab", "out.jsonl"),
        ("tab", "out.csv"),
        ("tab", "out.txt"),
        ("tab", "out.blkr"),
        ("tab", "out.jsonl"),
        ("ctrl-u 'out.c' tab", "out.csv"),
        ("ctrl-u 'out.x' tab", "out.x"),
        ("ctrl-u 'a.b/c' tab", "a.b/c.jsonl"),
    ] {
        inspector.press(typed);
        let Some(Over::File(naming)) = &inspector.desk.app.over else { panic!("{typed}") };
        assert_eq!(naming.input.value(), completed);
    }
}

#[test]
fn esc_stops_writing_and_q_too() {
    for key in ["esc", "q"] {
        let (directory, mut inspector) = in_directory();
        let path = directory.path().join("a.csv");
        for key in format!(">{}", path.display()).chars() {
            inspector.desk.app.press(crate::key::Key::char(key));
        }
        inspector.desk.app.press("enter".parse().unwrap());
        assert!(inspector.desk.app.writing.order().is_some());
        inspector.desk.app.press(">".parse().unwrap());
        let one = "one file at a time; esc stops the one that is being written";
        assert_eq!(inspector.message(), one);
        assert_eq!(inspector.desk.app.press(key.parse().unwrap()), None);
        assert!(inspector.message().ends_with("a.csv was not written: it was cancelled"));
        assert!(inspector.desk.app.writing.order().is_none());
        drop(inspector);
        assert_eq!(names(directory.path()), ["boot.blkr"]);
    }
}

/// Nobody wants the file any more once the third request comes.
#[derive(Debug)]
struct Unwanted(Plain, Fate, AtomicU64);

impl Outlet for Unwanted {
    fn heading(&self, form: Form) -> Vec<u8> {
        self.0.heading(form)
    }

    fn line(&self, form: Form, row: &Row) -> Vec<u8> {
        if self.2.fetch_add(1, Ordering::Relaxed) == 2 {
            assert!(self.1.stop());
        }
        self.0.line(form, row)
    }

    fn trace(
        &self,
        whole: &Survey,
        planned: &Planned,
        filter: Option<&str>,
        out: Sink,
    ) -> Result<Writer<Sink>, String> {
        assert!(self.1.stop());
        self.0.trace(whole, planned, filter, out)
    }

    fn is_trace(&self, path: &Path) -> bool {
        self.0.is_trace(path)
    }
}

#[test]
fn what_was_begun_is_taken_away_when_nobody_wants_it_any_more() {
    let directory = tempfile::tempdir().unwrap();
    let trace_path = directory.path().join("boot.blkr");
    fs::write(&trace_path, trace()).unwrap();
    for name in ["a.csv", "a.blkr"] {
        let path = directory.path().join(name);
        let kind = Kind::of(&path).unwrap();
        let (shown, filter, overwrites, fate) = (None, None, false, Fate::default());
        let outlet = Unwanted(Plain::of(&trace_path), fate.clone(), AtomicU64::new(0));
        let outlet = Arc::new(outlet);
        let order = Order { number: 1, path, kind, shown, filter, overwrites, fate };
        let open = trace_path.clone();
        let asked: Arc<dyn Outlet> = outlet.clone();
        let tell = |told: Told| panic!("{told:?}");
        writer::start(order, asked, move || Ok(open::trace(&open)?), tell).join().unwrap();
        if name == "a.csv" {
            assert_eq!(outlet.2.load(Ordering::Relaxed), 3, "it went on");
        }
        assert_eq!(names(directory.path()), ["boot.blkr"]);
    }
}

#[test]
fn of_a_damaged_trace_lines_are_written_and_a_trace_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let whole = trace();
    fs::write(at("cut.blkr"), &whole[..whole.len() / 2]).unwrap();
    let mut inspector = Inspector::of(&at("cut.blkr"), 100, 30);
    inspector.press(&format!("> '{}' enter", at("a.csv").display()));
    let lines = fs::read_to_string(at("a.csv")).unwrap().lines().count() - 1;
    assert_eq!(lines, rows(&at("cut.blkr")).len());
    assert!(
        inspector.message().contains("; what lies behind is missing: "),
        "{}",
        inspector.message()
    );
    inspector.press(&format!("> '{}' enter", at("a.blkr").display()));
    assert!(inspector.message().contains("the trace is not whole"), "{}", inspector.message());
    assert_eq!(names(directory.path()), ["a.csv", "cut.blkr"]);
}

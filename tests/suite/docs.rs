//! What the documents show is what happens. Markdown comes in; its console blocks are run, its links followed.
//!
//! Knows no command: a block is `$ ` lines for a shell and what they print, on both streams. Invariant: every
//! command of a console block succeeds, and prints what stands under it; `[..]` stands for anything in a
//! line, `...` for any lines.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use blkreplay_core::query::{fields_table, functions_tables};

use crate::clients::qemu_vm;
use crate::support::Sandbox;

/// One command of a console block and what should come of it.
struct Step {
    line: usize,
    command: String,
    printed: String,
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The fenced blocks of a page: language, first line, text.
fn blocks(page: &str) -> Vec<(String, usize, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(String, usize, String)> = None;
    for (number, line) in page.lines().enumerate() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(language), None) => open = Some((language.to_owned(), number + 2, String::new())),
            (None, Some((_, _, text))) => text.extend([line, "\n"]),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block is never closed");
    blocks
}

/// The steps of all console blocks of a page, in order.
fn steps(page: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for (_, first, text) in blocks(page).into_iter().filter(|(language, ..)| language == "console")
    {
        for (number, line) in text.lines().enumerate() {
            if let Some(command) = line.strip_prefix("$ ") {
                let (line, command) = (first + number, command.to_owned());
                steps.push(Step { line, command, printed: String::new() });
                continue;
            }
            let step = steps.last_mut().expect("a block begins with a command");
            match line.strip_prefix("> ").filter(|_| step.printed.is_empty()) {
                Some(more) => step.command.extend(["\n", more]),
                None => step.printed.extend([line, "\n"]),
            }
        }
    }
    steps
}

/// Where a page is run: its commands are in `bin`, what it works on is in `here`.
fn place() -> Sandbox {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("bin")).unwrap();
    symlink(env!("CARGO_BIN_EXE_blkreplay"), sandbox.path("bin/blkreplay")).unwrap();
    fs::create_dir(sandbox.path("here")).unwrap();
    sandbox
}

/// Runs all console blocks of a page, one after the other, in one directory.
#[track_caller]
fn check(path: &str) {
    check_in(&place(), path);
}

/// As [`check`], in a place that has been made ready.
#[track_caller]
fn check_in(sandbox: &Sandbox, path: &str) {
    let page = fs::read_to_string(repository().join(path)).unwrap();
    let steps = steps(&page);
    assert!(!steps.is_empty(), "{path} shows nothing");
    for Step { line, command, printed } in steps {
        let script = format!("PATH=$PWD/bin:$PATH; cd here; exec 2>&1\n{command}");
        let finished = sandbox.tool("sh").args(["-c", &script]).finish().succeeds();
        let place = format!("{path}, line {line}: {command}");
        snapbox::Assert::new()
            .try_eq(Some(&place), timeless(&finished.stdout).into(), timeless(&printed).into())
            .unwrap_or_else(|error| panic!("{error}\nas printed:\n{}", finished.stdout));
    }
}

/// The text without what is different every time: times, dates, the width of columns, and the sizes of what
/// holds times (a trace and its parts), and how many chunks it has: one ends after a quarter of a second.
fn timeless(text: &str) -> String {
    let mut lines = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let starts = ["recorded", "events", "request", "data"];
        let holds_times = words.first().is_some_and(|word| starts.contains(word))
            || words.get(1) == Some(&"complete");
        let mut kept: Vec<String> = Vec::new();
        for (place, word) in words.iter().enumerate() {
            let unit = words.get(place + 1).unwrap_or(&"").trim_end_matches([';', ',']);
            let size = ["B", "KiB", "MiB", "bytes", "chunks"].contains(&unit);
            kept.push(match word {
                _ if holds_times && size && is_number(word) => "SIZE".to_owned(),
                _ if kept.last().is_some_and(|last| last == "SIZE") => "UNIT".to_owned(),
                _ => timeless_word(word),
            });
        }
        lines.push(kept.join(" ") + "\n");
    }
    lines.concat()
}

fn is_number(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit())
        && word.chars().all(|c| c.is_ascii_digit() || c == '.')
}

/// `TIME` for what is a time, a span or a date; times and spans of JSON are zeroed.
fn timeless_word(word: &str) -> String {
    let bare = word.trim_matches(['(', ')', ',']);
    let span =
        ["ns", "µs", "ms", "s"].iter().any(|unit| bare.strip_suffix(unit).is_some_and(is_number));
    let point = bare.split_once('.').is_some_and(|(_, part)| part.len() == 6) && is_number(bare);
    let date = bare.len() == 20 && bare.ends_with('Z') && bare.contains('T');
    if span || point || date {
        return word.replace(bare, "TIME");
    }
    if !word.starts_with('{') {
        return word.to_owned();
    }
    let timed = ["t", "lat", "hold", "duration", "recorded_duration"];
    let members = word.split(',').map(|member| match member.split_once("\":") {
        Some((name, number)) if timed.contains(&name.trim_matches('"')) && is_number(number) => {
            format!("{name}\":0")
        }
        _ => member.to_owned(),
    });
    members.collect::<Vec<_>>().join(",")
}

#[test]
fn the_readme_shows_what_happens() {
    check("README.md");
}

#[test]
fn the_quickstart_shows_what_happens() {
    check("book/src/quickstart.md");
}

#[test]
fn what_the_other_pages_show_happens_too() {
    check("book/src/recording.md");
    check("book/src/marks.md");
    check("book/src/replaying.md");
    check("book/src/live.md");
    check("book/src/divergence.md");
    check("book/src/survival.md");
    check("book/src/compacting.md");
    check("book/src/editing.md");
    check("book/src/inspect.md");
    check("book/src/reference/json.md");
}

#[test]
fn every_page_that_shows_commands_is_run_here() {
    let here = fs::read_to_string(repository().join("tests/suite/docs.rs")).unwrap();
    for folder in ["book/src", "book/src/reference"] {
        for entry in fs::read_dir(repository().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let is_page = path.extension().is_some_and(|ending| ending == "md");
            if is_page && fs::read_to_string(&path).unwrap().contains("```console") {
                let name = path.strip_prefix(repository()).unwrap().display().to_string();
                assert!(here.contains(&format!("\"{name}\"")), "nothing runs {name}");
            }
        }
    }
}

#[test]
fn the_page_on_virtual_machines_shows_what_happens() {
    let sandbox = place();
    symlink(qemu_vm::emulator(), sandbox.path("bin/qemu-system-x86_64")).unwrap();
    sandbox.write("here/guest.img", &qemu_vm::guest_disk());
    check_in(&sandbox, "book/src/qemu-record-replay.md");
}

#[test]
fn the_page_about_qemu_logs_shows_what_is_in_real_ones() {
    let sandbox = place();
    let logs = [("q100-boot_a", "boot"), ("q100-boot_b", "other"), ("q100-flip-blockid", "hurt")];
    for (log, name) in logs {
        let log = crate::qemu_logs::log(&format!("qemu/logs/{log}.rr.zst"));
        sandbox.write(&format!("here/{name}.rr"), &log);
    }
    check_in(&sandbox, "book/src/qemu-logs.md");
}

#[test]
fn the_pages_about_comparing_show_what_happens() {
    check("book/src/comparing.md");
    check("book/src/unlike.md");
    check("book/src/ci.md");
}

#[test]
fn the_page_about_statistics_shows_what_happens() {
    check("book/src/statistics.md");
}

#[test]
fn the_page_about_filters_shows_what_happens() {
    check("book/src/reference/filter.md");
}

#[test]
fn the_page_about_filters_has_every_field_and_function_as_the_parser_knows_it() {
    let page = fs::read_to_string(repository().join("book/src/reference/filter.md")).unwrap();
    for table in [fields_table()].into_iter().chain(functions_tables()) {
        let head: String = table.lines().next().unwrap().to_owned() + "\n";
        assert!(page.contains(&format!("\n\n{table}\n")), "not as below {head}{table}");
    }
}

#[test]
fn the_page_about_findings_shows_what_happens() {
    check("book/src/findings.md");
}

#[test]
fn the_page_about_findings_has_every_rule() {
    let page = fs::read_to_string(repository().join("book/src/findings.md")).unwrap();
    let rows: Vec<_> = page.lines().filter(|line| line.starts_with("| f")).collect();
    let expected: Vec<_> = blkreplay_core::view::findings::RULES
        .iter()
        .map(|rule| {
            let (level, name) = (rule.level.name(), rule.name);
            format!("| {} | {level} | {name} | {} | {} |", rule.code, rule.sentence, rule.about)
        })
        .collect();
    assert_eq!(rows, expected);
}

#[test]
fn the_page_about_qemu_logs_has_every_layout() {
    let page = fs::read_to_string(repository().join("book/src/qemu-logs.md")).unwrap();
    for layout in &blkreplay_core::qemu::LAYOUTS {
        let (label, version) = (layout.label, layout.version);
        let row =
            format!("| `{label}` | {version:#x} | {} | {} |\n", layout.releases, layout.change);
        assert!(page.contains(&row), "{row:?} is missing");
    }
}

#[test]
fn the_readme_has_two_commands_to_set_up_and_the_second_is_what_ci_runs() {
    let readme = fs::read_to_string(repository().join("README.md")).unwrap();
    let (_, _, text) = blocks(&readme).into_iter().find(|(language, ..)| language == "sh").unwrap();
    let commands: Vec<&str> =
        text.lines().map(|line| line.split('#').next().unwrap().trim()).collect();
    assert_eq!(commands, ["cargo run --release -- demo", "tests/run.sh"]);
    let ci = fs::read_to_string(repository().join(".ci/run")).unwrap();
    assert!(ci.contains("exec tests/run.sh"), "{ci}");
}

#[test]
fn the_demo_does_what_the_readme_says() {
    let sandbox = Sandbox::new();
    let demo = sandbox.blkreplay("demo --dir demo").finish().succeeds();
    let said = format!("{}{}", demo.stdout, demo.stderr);
    for word in ["write", "flush", "replay", "byte for byte", "demo.blkr"] {
        assert!(said.contains(word), "{word:?} is missing: {demo}");
    }
    sandbox.assert_same("demo/disk.img", "demo/copy.img");
    sandbox.blkreplay("info demo/demo.blkr").finish().succeeds();
}

#[test]
fn the_book_has_every_page_in_its_summary_and_no_other() {
    let source = repository().join("book/src");
    let summary = fs::read_to_string(source.join("SUMMARY.md")).unwrap();
    let linked: BTreeSet<PathBuf> =
        links(&summary).into_iter().map(|link| source.join(link)).collect();
    let mut pages = BTreeSet::new();
    for folder in [source.clone(), source.join("reference")] {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        pages.extend(entries.filter(|path| path.extension().is_some_and(|end| end == "md")));
    }
    pages.remove(&source.join("SUMMARY.md"));
    assert_eq!(linked, pages);
}

#[test]
fn no_link_leads_nowhere() {
    let mut pages = vec!["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "ARCHITECTURE.md"];
    let book = fs::read_to_string(repository().join("book/src/SUMMARY.md")).unwrap();
    let book: Vec<String> = links(&book).iter().map(|link| format!("book/src/{link}")).collect();
    pages.extend(book.iter().map(String::as_str));
    for path in pages {
        let page =
            fs::read_to_string(repository().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"));
        let folder = repository().join(path).parent().unwrap().to_owned();
        for link in links(&page) {
            let file = link.split('#').next().unwrap();
            let nowhere = !link.contains("://") && !file.is_empty() && !folder.join(file).exists();
            assert!(!nowhere, "{path}: nothing is at {link}");
        }
    }
}

/// Where the links of a page lead.
fn links(page: &str) -> Vec<String> {
    let mut links = Vec::new();
    let mut fenced = false;
    for line in page.lines() {
        fenced ^= line.starts_with("```");
        if !fenced {
            let parts = line.split("](").skip(1);
            links.extend(parts.filter_map(|part| Some(part.split_once(')')?.0.to_owned())));
        }
    }
    links
}

#[test]
fn a_console_block_is_read_as_it_is_meant() {
    let steps = steps("text\n```console\n$ one\n> more\nout\n$ two\n```\n```sh\n$ three\n```\n");
    let read: Vec<_> =
        steps.iter().map(|s| (s.line, s.command.as_str(), s.printed.as_str())).collect();
    assert_eq!(read, [(3, "one\nmore", "out\n"), (6, "two", "")]);
}

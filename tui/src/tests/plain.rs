//! The inspector in lines: lines in, lines out.

use std::io::Cursor;
use std::path::Path;

use blkreplay_fixtures::story::{self, FAILED};
use tempfile::TempDir;

use super::Inspector;
use crate::plain::{Partner, converse};
use crate::settings::Settings;

/// What is said of these lines, without what is said at the beginning.
fn said_in(dir: &TempDir, lines: &str) -> Vec<String> {
    let path = dir.path().join("boot.blkr");
    std::fs::write(&path, story::trace()).unwrap();
    said_of(&path, lines)[3..].to_vec()
}

fn said_of(path: &Path, lines: &str) -> Vec<String> {
    let opened = Inspector::opened(path, "boot.blkr");
    let (input, mut output) = (Cursor::new(lines.to_owned()), Vec::new());
    converse(vec![opened], &Settings::default(), Partner::Script, input, &mut output).unwrap();
    String::from_utf8(output).unwrap().lines().map(str::to_owned).collect()
}

fn said(lines: &str) -> Vec<String> {
    said_in(&TempDir::new().unwrap(), lines)
}

#[test]
fn it_begins_with_what_is_looked_at_and_ends_where_no_more_lines_come() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("boot.blkr");
    std::fs::write(&path, story::trace()).unwrap();
    let said = said_of(&path, "");
    assert_eq!(said.len(), 3, "{said:?}");
    assert_eq!(said[1], "boot.blkr: 600 requests, view Requests");
    assert!(said[2].starts_with("#0 "), "{}", said[2]);
    assert_eq!(said_of(&path, "quit\nlast\n"), said, "nothing is read behind the end");
}

#[test]
fn a_person_finds_the_write_that_failed_who_wrote_there_before_and_copies_its_command() {
    let said = said("next-error\nprevious-same-range\ncopy-command\n\n");
    assert!(said[0].starts_with(&format!("#{FAILED} ")) && said[0].contains("EIO"), "{said:?}");
    assert!(said[1].starts_with("#87 "), "{said:?}");
    assert_eq!(said[2], "blkreplay print boot.blkr -f 'id == 87'");
    assert!(said[3].starts_with("#88 "), "an empty line is the next one: {said:?}");
    assert_eq!(said.len(), 4, "one line each: {said:?}");
}

#[test]
fn a_filter_is_told_with_what_it_leaves_and_one_that_is_none_with_why() {
    let said = said("filter op == flush\nlast\nfilter lenght > 4k\nfilter\n\n");
    assert_eq!(said[0], "boot.blkr: 60 of 600 requests by `op == flush`, view Requests");
    assert!(said[1].starts_with("#9 ") && said[2].starts_with("#599 "), "{said:?}");
    assert!(said[3].starts_with("error: ") && said[3].contains("lenght"), "{said:?}");
    assert!(said[4].contains("cancel"), "a prompt says how it is left: {said:?}");
}

#[test]
fn a_view_is_said_whole_when_one_comes_to_it_and_then_what_is_new() {
    let said = said("view stats\n\n\nview requests\n");
    assert_eq!(said[0], "boot.blkr: 600 requests, view Stats");
    let first = said.iter().position(|line| line.trim_start().starts_with("> R read"));
    let second = said.iter().rposition(|line| line.trim_start().starts_with("> W write"));
    let (Some(first), Some(second)) = (first, second) else { panic!("{said:?}") };
    let between = &said[first + 1..second];
    assert!(between.iter().any(|line| line.contains("errors")), "all of it at first: {said:?}");
    assert!(said[second + 1].starts_with('>'), "then where one is: {said:?}");
    assert_eq!(said[said.len() - 2], "boot.blkr: 600 requests, view Requests");
}

#[test]
fn all_of_a_view_is_said_on_so_many_lines_as_somebody_wants() {
    let long = said("show 100\n").len();
    let short = said("show 8\n").len();
    assert!(short <= 8 && long > 90, "{short} {long}");
    for wrong in ["0", "1001", "many"] {
        let said = said(&format!("show {wrong}\n"));
        assert_eq!(said, ["error: `show` takes how many lines, up to 1000"]);
    }
}

#[test]
fn what_is_asked_is_answered_by_the_next_line() {
    let said = said("mark-set\na\nlast\nmark-go\na\nmark-go\ncancel\nsearch flush\n");
    assert!(said[0].contains("a letter marks this request"), "{said:?}");
    assert_eq!(said[1], "#0 is marked a");
    assert!(said[2].starts_with("#599 "), "{said:?}");
    assert!(said[3].contains("a #0"), "{said:?}");
    assert!(said[4].starts_with("#0 "), "{said:?}");
    assert!(said[6].starts_with("#0 "), "it was cancelled: {said:?}");
    assert!(said.last().unwrap().starts_with("#9 "), "{said:?}");
}

#[test]
fn a_file_that_is_there_is_written_over_when_an_empty_line_agrees() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("shown.csv");
    std::fs::write(&file, "mine").unwrap();
    let path = file.display();
    let kept = said_in(&dir, &format!("write {path}\ncancel\n"));
    assert!(kept[0].contains("it is there"), "{kept:?}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
    let written = said_in(&dir, &format!("filter op == flush\nwrite {path}\n\n"));
    assert!(written.iter().any(|line| line.starts_with("wrote 60 requests")), "{written:?}");
    assert_eq!(std::fs::read_to_string(&file).unwrap().lines().count(), 61);
}

#[test]
fn help_lists_every_command_and_those_that_have_a_word() {
    let all = said("help\n");
    for binding in crate::keymap::BINDINGS {
        assert!(all.iter().any(|line| line.starts_with(binding.name)), "{}", binding.name);
    }
    let slow = said("help slow\n");
    assert!(slow.len() >= 2 && slow.iter().all(|line| line.contains("slow")), "{slow:?}");
    assert_eq!(said("help xyzzy\n"), ["error: no command has `xyzzy` in it"]);
}

#[test]
fn what_needs_a_screen_is_refused_in_words() {
    for line in ["suspend", "mouse"] {
        let said = said(&format!("{line}\n"));
        assert_eq!(said[0], "error: there is no screen here that could do that", "{line}");
    }
}

#[test]
fn a_line_of_any_bytes_is_answered() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("boot.blkr");
    std::fs::write(&path, story::trace()).unwrap();
    let mut lines = vec![0xff, 0x00, b'\n'];
    lines.extend(vec![b'x'; 200_000]);
    lines.extend(*b"\n#17\n");
    let opened = Inspector::opened(&path, "boot.blkr");
    let mut output = Vec::new();
    let input = Cursor::new(lines);
    converse(vec![opened], &Settings::default(), Partner::Script, input, &mut output).unwrap();
    let output = String::from_utf8(output).unwrap();
    assert!(output.contains("error: "), "{output}");
    assert!(output.lines().last().unwrap().starts_with("#17 "), "{output}");
}

//! The recipe of the book for tests of programs that use disks, and the function of core that it calls.

use std::path::Path;

use blkreplay_core::diff::Rule;
use blkreplay_core::open;
use blkreplay_fixtures::bytes;

use super::{pair, record, repository};
use crate::support::Sandbox;

fn assert_same_requests(base: &Path, new: &Path) {
    let report = open::compare(base, new, &Rule::default()).unwrap();
    assert!(report.is_same(), "{report}");
}

#[test]
fn the_recipe_of_the_book_is_the_one_that_is_tested() {
    let page = std::fs::read_to_string(repository().join("book/src/ci.md")).unwrap();
    let here = include_str!("recipe.rs");
    let function = here.split_once("fn assert_same_requests").unwrap().1;
    let function = function.split_once("\n}\n").unwrap().0;
    assert!(page.contains(&format!("fn assert_same_requests{function}\n}}\n")), "{function}");
}

#[test]
fn a_test_passes_where_two_traces_are_the_same() {
    let sandbox = pair("", "");
    assert_same_requests(&sandbox.path("base.blkr"), &sandbox.path("new.blkr"));
}

#[test]
#[should_panic(
    expected = "different: 2 changed, 0 added, 0 removed, 0 moved; first changed: write 16384+4096, base #3, new #3"
)]
fn a_test_that_fails_names_the_first_difference() {
    let sandbox = pair("-P 3 16k 4k", "-P 9 16k 4k");
    assert_same_requests(&sandbox.path("base.blkr"), &sandbox.path("new.blkr"));
}

#[test]
fn what_cannot_be_compared_is_an_error() {
    let sandbox = Sandbox::new();
    record(&sandbox, "base.blkr", super::WORK);
    let whole = sandbox.read("base.blkr");
    sandbox.write("new.blkr", &whole[..whole.len() - 9]);
    let error = |new: &str| {
        let (base, new) = (sandbox.path("base.blkr"), sandbox.path(new));
        open::compare(base, new, &Rule::default()).unwrap_err()
    };
    assert!(matches!(error("new.blkr"), open::CompareError::NotWhole { .. }));
    assert!(matches!(error("nowhere.blkr"), open::CompareError::Open(_)));
    sandbox.write("dropped.blkr", &bytes("native/later.blkr"));
    let dropped = error("dropped.blkr");
    assert!(matches!(dropped, open::CompareError::EventsDropped { count: 1001, .. }), "{dropped}");
    // With itself, too: nobody knows whether both lack the same.
    let path = sandbox.path("dropped.blkr");
    open::compare(&path, &path, &Rule::default()).unwrap_err();
    let record = "record disk.img -o none.blkr --payload none -- sh client.sh";
    sandbox.blkreplay(record).finish().succeeds();
    assert!(matches!(error("none.blkr"), open::CompareError::NoPayloads { .. }));
}

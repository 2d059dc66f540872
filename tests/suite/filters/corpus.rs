//! The corpus of filters: those that are accepted, and those that are refused, in which words.
//!
//! Lines of `fixtures/data/filters` come in. Invariant: what is accepted can be written again and means the same.

use std::fs;
use std::path::PathBuf;

use blkreplay_core::query::{Asked, rewritten};
use snapbox::Data;

use super::world::{filter, requests, stored};

fn corpus(name: &str) -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.parent().unwrap().join("fixtures/data").join(name)
}

/// Filters that are accepted.
pub(super) fn accepted() -> Vec<String> {
    let text = fs::read_to_string(corpus("filters/accepted.txt")).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn what_is_accepted_can_be_written_again_and_means_the_same() {
    let rows = requests();
    let all = accepted();
    assert!(all.len() >= 160, "{}", all.len());
    for text in all {
        let meant = |text: &str| {
            let filter =
                filter(text, &rows).unwrap_or_else(|error| panic!("{}", error.shown(text)));
            let matches = rows
                .iter()
                .filter(|row| filter.matches(Asked::with_data(row, &|id| Some(stored(id)))));
            matches.map(|row| row.id.0).collect::<Vec<_>>()
        };
        let again = rewritten(&text).unwrap();
        assert_eq!(rewritten(&again).unwrap(), again, "{text}");
        assert_eq!(meant(&text), meant(&again), "{text}, written again: {again}");
    }
}

#[test]
fn what_is_refused_is_told_of_in_the_words_of_the_corpus() {
    let rows = requests();
    let path = corpus("filters/refused.txt");
    let golden = fs::read_to_string(&path).unwrap();
    let mut told = String::new();
    let mut count = 0;
    for text in golden.lines().filter_map(|line| line.strip_prefix("? ")) {
        let error = filter(text, &rows).expect_err(text);
        told.extend(["? ", text, "\n", &error.shown(text), "\n\n"]);
        count += 1;
    }
    assert!(count >= 70, "{count}");
    snapbox::Assert::new()
        .action_env("SNAPSHOTS")
        .eq(Data::text(told).raw(), Data::read_from(&path, None).raw());
}

//! The rules of the house, as tests. The repository's own files come in, faults go out.
//!
//! Knows no types and compiles nothing: it reads tokens (`source`), so that comments, strings and line
//! breaks hide nothing. Invariant: every rule is tried on a planted fault first, so that none is asleep.

mod layers;
mod rules;
mod source;

use std::path::Path;

use source::{Source, Tree};

/// Asserts that no file of the repository breaks `rule`, having seen that it finds the fault in `planted`.
#[track_caller]
fn check(rule: fn(&Source) -> Vec<String>, planted: (&str, &str), sound: (&str, &str)) {
    let (path, text) = planted;
    let found = rule(&Source::new(path, text));
    assert!(!found.is_empty(), "the rule sleeps: it finds nothing wrong with {path}:\n{text}");
    let (path, text) = sound;
    let found = rule(&Source::new(path, text));
    assert!(found.is_empty(), "the rule cries wolf over {path}: {found:#?}\n{text}");
    let faults: Vec<String> = Tree::of_repository().sources().iter().flat_map(rule).collect();
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn every_layer_of_core_uses_only_those_below_it() {
    check(
        layers::faults,
        ("core/src/format/codec.rs", "//! A.\nuse crate::engine::Engine;"),
        ("core/src/engine/queue.rs", "//! A.\nuse crate::{event::Event, format};"),
    );
}

#[test]
fn the_layer_rule_sees_through_every_way_to_write_a_path() {
    for text in [
        "use crate::{units::Nanos, engine::{mode, queue}};",
        "use crate::{\n    request::Request,\n    nbd,\n};",
        "fn f() { let x = crate::device::open(); }",
        "fn f() { println!(\"{}\", crate::device::NAME); }",
        "use super::super::engine::Engine;",
        "mod inner { use super::super::super::{engine::Engine}; }",
        "use crate::*;",
        "macro_rules! m { () => { $crate::engine::now() } }",
        "use crate::open;",
        "use crate::nowhere::Thing;",
    ] {
        let faults = layers::faults(&Source::new("core/src/format/codec.rs", text));
        assert!(!faults.is_empty(), "not seen: {text}");
    }
    for text in [
        "// use crate::engine::Engine;\nfn f() {}",
        "fn f() -> &'static str { \"crate::engine::Engine\" }",
        "use crate::{event::{Event, EventKind}, limits, units::Nanos};",
        "mod inner { use super::super::header; }",
        "pub(crate) fn f() {}\npub(in crate::format) fn g() {}",
    ] {
        let faults = layers::faults(&Source::new("core/src/format/codec.rs", text));
        assert!(faults.is_empty(), "seen in {text}: {faults:?}");
    }
    let lost = Source::new("core/src/lost.rs", "//! A.\nfn f() {}");
    assert!(!layers::faults(&lost).is_empty(), "a module without a place among the layers");
}

#[test]
fn no_file_is_longer_than_400_lines_before_its_tests() {
    let long = "\n// x".repeat(400);
    check(
        rules::file_length,
        ("core/src/units.rs", &format!("//! A.{long}\nfn f() {{}}\n")),
        ("core/src/units.rs", &format!("//! A.\n#[cfg(test)]\nmod tests {{{long}\n}}\n")),
    );
}

#[test]
fn no_function_is_longer_than_70_lines() {
    let body = |lines| format!("//! A.\nfn f(a: [u8; 2]) -> u8 {{{}\n0 }}\n", "\n0;".repeat(lines));
    check(
        rules::function_length,
        ("core/src/units.rs", &body(70)),
        ("core/src/units.rs", &format!("{}{}", body(60), body(60))),
    );
}

#[test]
fn every_file_opens_by_saying_what_it_is() {
    check(
        rules::module_header,
        ("core/src/units.rs", "// Units.\nfn f() {}"),
        ("core/src/units.rs", "//! Units.\nfn f() {}"),
    );
}

#[test]
fn only_the_printer_prints() {
    check(
        rules::printing,
        ("cli/src/cmd/info.rs", "//! A.\nfn f() { vec![println!(\"no\")]; }"),
        ("cli/src/cmd/info.rs", "//! println!\n#[cfg(test)]\nmod tests { fn f() { println!(); } }"),
    );
}

#[test]
fn a_file_that_is_all_tests_is_known_by_its_declaration() {
    let planted = tempfile::tempdir().unwrap();
    plant(planted.path(), "core/src/a/mod.rs", "//! A.\n#[cfg(test)]\nmod contract;\nmod b;\n");
    plant(planted.path(), "core/src/a/contract.rs", "//! A.\nfn f() { println!(); }\n");
    plant(planted.path(), "core/src/a/b.rs", "//! A.\nfn f() { println!(); }\n");
    let faults: Vec<String> =
        Tree::at(planted.path()).sources().iter().flat_map(rules::printing).collect();
    assert_eq!(faults.len(), 1, "{faults:?}");
}

#[test]
fn core_reads_no_clock_and_no_environment() {
    check(
        rules::outside_world,
        ("core/src/engine/record.rs", "//! A.\nfn f() { let t = Instant::now(); }"),
        ("cli/src/clock.rs", "//! A.\nfn f() { let t = Instant::now(); }"),
    );
    for text in ["use std::env;", "use std::{fs, env};", "fn f() { SystemTime::now(); }"] {
        let source = Source::new("core/src/engine/record.rs", text);
        assert!(!rules::outside_world(&source).is_empty(), "not seen: {text}");
    }
}

#[test]
fn nothing_is_left_for_later() {
    check(
        rules::banned_words,
        ("core/src/units.rs", concat!("//! A.\n// TO", "DO: think\nfn f() {}")),
        ("core/src/units.rs", "//! A.\n// Todos los días.\nfn f() {}"),
    );
    for text in [concat!("// FIX", "ME"), "fn f() { unimplemented!() }", "fn f() { dbg!(1); }"] {
        assert!(!rules::banned_words(&Source::new("a.rs", text)).is_empty(), "not seen: {text}");
    }
    let allow = Source::new("a.rs", "#[allow(dead_code)]\nfn f() {}");
    assert!(!rules::banned_words(&allow).is_empty(), "expect with a reason, never allow");
}

#[test]
fn every_file_is_named_for_its_idea() {
    for name in ["utils", "common", "helpers", "misc", "types"] {
        let source = Source::new(&format!("core/src/{name}.rs"), "//! A.");
        assert!(!rules::file_name(&source).is_empty(), "not seen: {name}");
        let source = Source::new(&format!("core/src/{name}/mod.rs"), "//! A.");
        assert!(!rules::file_name(&source).is_empty(), "not seen: {name}/mod.rs");
    }
    check(rules::file_name, ("core/src/utils.rs", ""), ("core/src/units.rs", ""));
}

#[test]
fn no_room_is_empty() {
    check(
        rules::empty_file,
        ("core/src/view.rs", "//! For later.\n\n// Really.\n"),
        ("core/src/view.rs", "//! Now.\nmod requests;\n"),
    );
    let planted = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(planted.path().join("core/src/later/still")).unwrap();
    assert_eq!(Tree::at(planted.path()).empty_directories().len(), 1, "a planted empty directory");
    let repository = Tree::of_repository();
    let empty = repository.empty_directories();
    assert!(empty.is_empty(), "directories without a file in them: {empty:?}");
}

#[test]
fn every_file_is_part_of_a_program() {
    let planted = tempfile::tempdir().unwrap();
    for (path, text) in [
        ("core/src/lib.rs", "//! A.\nmod used;\n"),
        ("core/src/used.rs", "//! A.\nfn f() {}\n"),
        ("core/src/forgotten.rs", "//! A.\nfn f() {}\n"),
    ] {
        plant(planted.path(), path, text);
    }
    let orphans = rules::orphans(&Tree::at(planted.path()));
    assert_eq!(orphans.len(), 1, "one file was planted that no `mod` names: {orphans:?}");
    let orphans = rules::orphans(&Tree::of_repository());
    assert!(orphans.is_empty(), "no `mod` names these:\n{}", orphans.join("\n"));
}

#[test]
fn there_is_one_program_and_no_second() {
    let planted = tempfile::tempdir().unwrap();
    plant(planted.path(), "cli/Cargo.toml", "[package]\nname = \"a\"\n");
    plant(planted.path(), "cli/src/main.rs", "//! A.\nfn main() {}\n");
    assert_eq!(rules::programs(&Tree::at(planted.path())), ["cli/src/main.rs"]);
    plant(planted.path(), "core/src/bin/generate.rs", "//! A.\nfn main() {}\n");
    plant(planted.path(), "fixtures/Cargo.toml", "[[bin]]\nname = \"b\"\n");
    assert_eq!(rules::programs(&Tree::at(planted.path())).len(), 3);
    assert_eq!(rules::programs(&Tree::of_repository()), ["cli/src/main.rs"]);
}

#[test]
fn core_does_not_know_the_fixtures() {
    let uses = |text: &str| text.contains("blkreplay-fixtures");
    assert!(uses("[dev-dependencies]\nblkreplay-fixtures.workspace = true\n"));
    let manifest = std::fs::read_to_string(source::repository().join("core/Cargo.toml")).unwrap();
    assert!(!uses(&manifest), "core/Cargo.toml depends on the fixtures");
}

#[test]
fn every_fixture_is_used_and_listed() {
    let planted = tempfile::tempdir().unwrap();
    plant(planted.path(), "fixtures/README.md", "| `data/listed.blkr` | made by … |\n");
    plant(planted.path(), "fixtures/data/listed.blkr", "");
    plant(planted.path(), "fixtures/data/forgotten.blkr", "");
    plant(planted.path(), "tests/suite/a.rs", "fn f() { fixtures::path(\"data/listed.blkr\"); }");
    let faults = rules::fixtures(&Tree::at(planted.path()));
    assert_eq!(faults.len(), 2, "one fixture is neither used nor listed: {faults:?}");
    let faults = rules::fixtures(&Tree::of_repository());
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_fixture_is_as_it_was_committed() {
    let planted = tempfile::tempdir().unwrap();
    let sum = "01ba4719c80b6fe911b091a7c05124b64eeece964e09c058ef8f9805daca546b";
    let row = |name: &str, sum: &str| format!("| `{name}` | made by … | {sum} | … |\n");
    let readme = [
        row("whole", &format!("`{sum}`")),
        row("changed", &format!("`{sum}`")),
        row("bare", ""),
        row("text", "follows the code"),
        row("trace.blkr", "follows the code"),
    ];
    plant(planted.path(), "fixtures/README.md", &readme.concat());
    for name in ["whole", "bare", "text", "trace.blkr"] {
        plant(planted.path(), &format!("fixtures/data/{name}"), "\n");
    }
    plant(planted.path(), "fixtures/data/changed", "\n\n");
    let faults = rules::fixture_sums(&Tree::at(planted.path()));
    assert_eq!(faults.len(), 3, "one was changed, two have no sum: {faults:?}");
    let faults = rules::fixture_sums(&Tree::of_repository());
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_module_of_the_suite_says_what_belongs_there() {
    let planted = Source::new("tests/suite/main.rs", "//! A.\n\n/// B.\nmod b;\nmod c;\n");
    assert_eq!(rules::modules_without_a_word(&planted).len(), 1);
    let main = source::repository().join("tests/suite/main.rs");
    let main = Source::new("tests/suite/main.rs", &std::fs::read_to_string(main).unwrap());
    let bare = rules::modules_without_a_word(&main);
    assert!(bare.is_empty(), "{}", bare.join("\n"));
}

/// Writes a file below `root`, with the directories above it.
fn plant(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

//! The comparison with a base: keys in; focus, lines, bytes and changes out.

use blkreplay_core::diff::Rule;
use blkreplay_fixtures::story;

use super::Inspector;
use super::diff::{How, Two, diff, retold, two};
use crate::app::{Effect, Over};
use crate::mouse::{Does, Mouse};
use crate::state::diff::{Line, Stage};

#[test]
fn keys_go_from_one_difference_to_the_next_and_the_list_is_at_the_request_of_new() {
    let mut two = retold((100, 26));
    let counts = diff(&two).found.counts;
    assert_eq!(counts, two.plain.report().counts);
    assert_eq!((counts.kinds, counts.same), ([2, 1, 1, 1], 116));
    let mut seen = Vec::new();
    loop {
        two.inspector.press("n");
        if !two.inspector.message().is_empty() {
            break;
        }
        let diff = diff(&two);
        let (_, difference) = diff.difference().unwrap();
        seen.push(difference.kind.name());
        if let Some(new) = difference.new.first() {
            assert_eq!(two.inspector.focused(), new.id.0);
        }
    }
    assert_eq!(seen, ["changed", "changed", "moved", "removed", "added"]);
    assert_eq!(two.inspector.message(), "there is no difference behind this");
    two.inspector.press("1");
    assert_eq!((two.inspector.focused(), two.inspector.message()), (95, ""));
    two.inspector.press("8 N 1");
    assert!(
        two.inspector.message().starts_with("only base has #84"),
        "{}",
        two.inspector.message()
    );
    two.inspector.press(": '36' enter 8");
    let base = diff(&two).difference().map(|(_, one)| one.base[0].id.0);
    assert_eq!(base, Some(36), "it is at the difference that is in focus");
    two.inspector.press("g N");
    assert_eq!(two.inspector.message(), "there is no difference before this");
}

#[test]
fn bytes_of_a_difference_are_those_that_core_finds_and_d_and_esc_hide_them() {
    let mut two = retold((120, 40));
    two.inspector.press("n n enter");
    assert!(diff(&two).shows_bytes);
    let Some(Ok(explained)) = diff(&two).known() else { panic!("nothing is known") };
    let bytes = explained.evidence.bytes.as_ref().unwrap();
    assert_eq!(bytes.ranges, [100..103, 3000..3001]);
    assert_eq!((bytes.count, bytes.of), (4, 4096));
    let differs: usize = explained
        .lines
        .iter()
        .map(|line| (0..line.base.len()).filter(|column| line.differs(*column)).count())
        .sum();
    assert_eq!(differs as u64, bytes.count);
    let screen = two.inspector.screen();
    assert!(screen.contains("~6e~65~77"), "{screen}");
    assert!(screen.contains("4 of 4,096 differ"), "{screen}");
    two.inspector.press("N");
    let screen = two.inspector.screen();
    assert!(screen.contains("preset ext4-times masks all of it"), "{screen}");
    two.inspector.press("d");
    assert!(!two.inspector.screen().contains("preset"), "{}", two.inspector.screen());
    two.inspector.press("d esc");
    assert!(!diff(&two).shows_bytes);
    assert_eq!(two.inspector.press("q"), Some(Effect::Quit));
}

#[test]
fn a_rule_is_shown_before_it_is_added_and_nothing_is_changed_without_enter() {
    let mut two = retold((100, 26));
    two.inspector.press("g i");
    assert_eq!(two.inspector.message(), "this is no difference; n goes to the next one");
    two.inspector.press("n i");
    let screen = two.inspector.screen();
    assert!(screen.contains("added to blkreplay.toml"), "{screen}");
    assert!(screen.contains("preset = \"ext4-times\""), "{screen}");
    assert!(screen.contains("why may it differ?"), "{screen}");
    two.inspector.press("'times' esc");
    assert_eq!(*two.plain.changes.lock().unwrap(), [""; 0]);
    two.inspector.press("n i 'it is random' enter");
    let ranges = "bytes = [49252..49255, 52152..52153]";
    let rule = format!("{ranges}\nreason = \"it is random\"");
    assert_eq!(*two.plain.changes.lock().unwrap(), [rule]);
    assert_eq!(two.inspector.message(), "blkreplay.toml has the rule; compared anew");
    assert_eq!((diff(&two).number, diff(&two).stage), (2, Stage::Done));
}

#[test]
fn the_base_is_replaced_only_if_somebody_says_yes() {
    let mut two = retold((100, 26));
    two.inspector.press("b");
    two.inspector.desk.app.pointed(Mouse { at: (5, 5), does: Does::Press });
    assert!(two.inspector.desk.app.over.is_none(), "who clicks does not say yes");
    assert_eq!(two.inspector.message(), "nothing was changed");
    two.inspector.press("b");
    assert!(two.inspector.screen().contains("replace base.blkr by boot.blkr? y/n"));
    for keys in ["n", "b esc", "b enter", "b q"] {
        two.inspector.press(keys);
        assert!(two.inspector.desk.app.over.is_none(), "{keys}");
        assert_eq!(two.inspector.message(), "nothing was changed", "{keys}");
    }
    assert_eq!(*two.plain.changes.lock().unwrap(), [""; 0]);
    two.inspector.press("b y");
    assert_eq!(*two.plain.changes.lock().unwrap(), ["blessed"]);
    assert_eq!(two.inspector.message(), "base.blkr is what boot.blkr is; compared anew");
    two.inspector.press("b y");
    assert_eq!(two.inspector.message(), "CI is set, and there no baseline is written");
    assert!(matches!(two.inspector.press("b ctrl-c"), Some(Effect::Quit)));
    two.inspector.press("1 G b");
    assert_ne!(two.inspector.focused(), 119, "elsewhere it is a screen up");
}

#[test]
fn two_traces_that_are_the_same_are_said_to_be_and_an_empty_pair_was_not_compared() {
    let mut two = two(story::trace(), story::trace(), Rule::default(), (100, 26), How::Compares);
    let screen = two.inspector.screen();
    assert!(screen.contains("0 differences: 0 changed"), "{screen}");
    assert!(screen.contains("both are the same: 600 requests in 60 epochs"), "{screen}");
    two.inspector.press("n");
    assert_eq!(two.inspector.message(), "there is no difference behind this");
    let empty = self::two(story::empty(), story::empty(), Rule::default(), (80, 24), How::Compares);
    let screen = empty.inspector.screen();
    assert!(screen.contains("nothing was compared"), "{screen}");
}

#[test]
fn what_cannot_be_compared_is_said_with_what_to_try() {
    let mut two = two(story::trace(), story::trace(), Rule::default(), (80, 24), How::Refuses);
    let screen = two.inspector.screen();
    assert!(screen.contains("cannot compare: base.blkr is not whole"), "{screen}");
    assert!(screen.contains("hint: blkreplay recover base.blkr"), "{screen}");
    assert_eq!(diff(&two).stage, Stage::Failed);
    two.inspector.press("n enter d i");
    assert_eq!(two.inspector.message(), "this is no difference; n goes to the next one");
    two.inspector.press("1");
    assert_eq!(two.inspector.shown(), story::REQUESTS);
}

#[test]
fn a_filter_lists_what_it_leaves_of_new_and_what_only_base_has() {
    let mut two = retold((100, 26));
    two.inspector.press("f 'off == 0' enter");
    let listed = |two: &Two| -> Vec<&'static str> {
        let diff = diff(two);
        let number = |line: &Line| match line {
            Line::Difference(number) => Some(diff.found.differences[*number].kind.name()),
            _ => None,
        };
        diff.lines().iter().filter_map(number).collect()
    };
    assert_eq!(listed(&two), ["changed", "removed"]);
    assert!(two.inspector.screen().contains("2 listed"));
    two.inspector.press("backspace n n n =");
    let text = two.inspector.desk.app.filtering.text().to_owned();
    assert!(text.starts_with("off overlaps "), "{text}");
    assert!(two.inspector.shown() > 0);
    two.inspector.press("backspace");
    assert_eq!(listed(&two).len(), 5);
}

#[test]
fn without_a_base_the_view_says_how_to_get_one() {
    let mut inspector = Inspector::new(80, 24);
    inspector.press("8");
    assert!(inspector.screen().contains("blkreplay inspect --diff BASE NEW"));
    for keys in ["n", "d", "i", "b"] {
        inspector.press(keys);
        assert!(inspector.message().contains("--diff BASE NEW"), "{keys}: {}", inspector.message());
        assert!(inspector.desk.app.over.is_none());
    }
    inspector.press("1 i");
    assert_eq!(inspector.message(), "that is about differences: 8 shows them");
    assert!(!matches!(inspector.desk.app.over, Some(Over::Bless)));
}

#[test]
fn a_comparison_that_goes_on_says_so_and_esc_stops_it() {
    let mut two = retold((100, 26));
    two.inspector.begin_waiting(&two.plain);
    let screen = two.inspector.screen();
    assert!(screen.contains("~0 differences"), "{screen}");
    assert!(screen.contains("being opened; esc stops"), "{screen}");
    two.inspector.press("esc");
    assert_eq!(two.inspector.message(), "no more is compared; 8 compares anew");
    assert_eq!(diff(&two).stage, Stage::Stopped);
    let screen = two.inspector.screen();
    assert!(screen.contains("stopped; 8 compares anew"), "{screen}");
    assert_eq!(two.inspector.press("esc"), None);
    assert_eq!(two.inspector.press("q"), Some(Effect::Quit));
}

//! What keys, buttons and axes are called. The number that a log has comes in, a name goes out.
//!
//! A log names a key by its place in QEMU's enum `QKeyCode`, which names were taken out of and put into over the years, or
//! by Linux' number for it. Source: QEMU, `qapi/ui.json` (before 2.10 `qapi-schema.json`), and Linux,
//! `include/uapi/linux/input-event-codes.h`. Invariant: a number that no QEMU with the layout had a name for has none.

use super::layout::Layout;
use crate::event::Key;

/// Which of the lists a QEMU had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Qcodes {
    /// Up to 2.8.
    First,
    /// 2.9, with keys of Japanese keyboards.
    Japanese,
    /// 2.10 and 2.11: without `altgr`, which no keyboard has, and with keys for media.
    Media,
    /// From 2.12 on; what was new since came at the end.
    Last,
}

/// The names that all lists begin with; those of `ALTGR` are in the first two only.
const COMMON: &str = "\
    unmapped shift shift_r alt alt_r ctrl ctrl_r menu esc 1 2 3 4 5 6 7 8 9 0 minus equal \
    backspace tab q w e r t y u i o p bracket_left bracket_right ret a s d f g h j k l semicolon \
    apostrophe grave_accent backslash z x c v b n m comma dot slash asterisk spc caps_lock f1 f2 \
    f3 f4 f5 f6 f7 f8 f9 f10 num_lock scroll_lock kp_divide kp_multiply kp_subtract kp_add \
    kp_enter kp_decimal sysrq kp_0 kp_1 kp_2 kp_3 kp_4 kp_5 kp_6 kp_7 kp_8 kp_9 less f11 f12 \
    print home pgup pgdn end left up down right insert delete stop again props undo front copy \
    open paste find cut lf help meta_l meta_r compose pause ro";

/// What was taken out in 2.10, and the place it had.
const ALTGR: [&str; 2] = ["altgr", "altgr_r"];
const ALTGR_AT: usize = 5;

/// What follows the common names, with the list that had it first.
const BEHIND: [(Qcodes, &str); 5] = [
    (Qcodes::Japanese, "hiragana henkan yen"),
    (Qcodes::Last, "muhenkan katakanahiragana"),
    (Qcodes::First, "kp_comma kp_equals power"),
    (
        Qcodes::Media,
        "sleep wake audionext audioprev audiostop audioplay audiomute volumeup volumedown \
        mediaselect mail calculator computer ac_home ac_back ac_forward ac_refresh \
        ac_bookmarks",
    ),
    (Qcodes::Last, "lang1 lang2 f13 f14 f15 f16 f17 f18 f19 f20 f21 f22 f23 f24"),
];

/// Stands where Linux has no key.
const NAMELESS: &str = "-";

/// The names of Linux' keys, each at its number.
const LINUX: &str = "\
    - esc 1 2 3 4 5 6 7 8 9 0 minus equal backspace tab q w e r t y u i o p leftbrace rightbrace \
    enter leftctrl a s d f g h j k l semicolon apostrophe grave leftshift backslash z x c v b n m \
    comma dot slash rightshift kpasterisk leftalt space capslock f1 f2 f3 f4 f5 f6 f7 f8 f9 f10 \
    numlock scrolllock kp7 kp8 kp9 kpminus kp4 kp5 kp6 kpplus kp1 kp2 kp3 kp0 kpdot - \
    zenkakuhankaku 102nd f11 f12 ro katakana hiragana henkan katakanahiragana muhenkan kpjpcomma \
    kpenter rightctrl kpslash sysrq rightalt linefeed home up pageup left right end down pagedown \
    insert delete macro mute volumedown volumeup power kpequal kpplusminus pause scale kpcomma \
    hangeul hanja yen leftmeta rightmeta compose stop again props undo front copy open paste find \
    cut help menu calc setup sleep wakeup file sendfile deletefile xfer prog1 prog2 www msdos \
    coffee rotate_display cyclewindows mail bookmarks computer back forward closecd ejectcd \
    ejectclosecd nextsong playpause previoussong stopcd record rewind phone iso config homepage \
    refresh exit move edit scrollup scrolldown kpleftparen kprightparen new redo f13 f14 f15 f16 \
    f17 f18 f19 f20 f21 f22 f23 f24 - - - - - playcd pausecd prog3 prog4 all_applications suspend \
    close play fastforward bassboost print hp camera sound question email chat search connect \
    finance sport shop alterase cancel brightnessdown brightnessup media switchvideomode \
    kbdillumtoggle kbdillumdown kbdillumup send reply forwardmail save documents battery \
    bluetooth wlan uwb unknown video_next video_prev brightness_cycle brightness_auto display_off \
    wwan rfkill micmute";

const BUTTONS: [&str; 10] = [
    "left",
    "middle",
    "right",
    "wheel-up",
    "wheel-down",
    "side",
    "extra",
    "wheel-left",
    "wheel-right",
    "touch",
];

const AXES: [&str; 2] = ["x", "y"];

const TOUCHES: [&str; 5] = ["begin", "update", "end", "cancel", "data"];

/// What a key is called in logs of this layout, or without one today: as in QEMU's `QKeyCode`, or as in Linux without
/// `KEY_`, in lower case.
pub fn key_name(layout: Option<&Layout>, key: Key) -> Option<&'static str> {
    match key {
        Key::Number(_) => None,
        Key::Qcode(code) => {
            let list = layout.map_or(Qcodes::Last, |layout| layout.qcodes);
            qcode_name(list, usize::try_from(code).ok()?)
        }
        Key::Linux(code) => {
            let name = LINUX.split_whitespace().nth(usize::try_from(code).ok()?);
            name.filter(|name| *name != NAMELESS)
        }
    }
}

fn qcode_name(list: Qcodes, mut place: usize) -> Option<&'static str> {
    if list < Qcodes::Media && place >= ALTGR_AT {
        match ALTGR.get(place - ALTGR_AT) {
            Some(name) => return Some(name),
            None => place -= ALTGR.len(),
        }
    }
    let behind = BEHIND.iter().filter(|(since, _)| *since <= list).map(|(_, names)| *names);
    [COMMON].into_iter().chain(behind).flat_map(str::split_whitespace).nth(place)
}

/// What a button of a pointer is called (QEMU: `InputButton`).
pub fn button_name(button: u32) -> Option<&'static str> {
    named(&BUTTONS, button)
}

/// What an axis is called (QEMU: `InputAxis`).
pub fn axis_name(axis: u32) -> Option<&'static str> {
    named(&AXES, axis)
}

/// What a finger on a screen did (QEMU: `InputMultiTouchType`).
pub fn touch_name(phase: u32) -> Option<&'static str> {
    named(&TOUCHES, phase)
}

fn named(names: &[&'static str], number: u32) -> Option<&'static str> {
    names.get(usize::try_from(number).ok()?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(label: &str, key: Key) -> Option<&'static str> {
        key_name(Some(Layout::named(label).unwrap()), key)
    }

    #[test]
    fn a_key_is_called_as_the_qemu_of_the_log_called_it() {
        for (label, code, wanted) in [
            ("02/v2.5", 0, Some("unmapped")),
            ("02/v2.5", 4, Some("alt_r")),
            ("02/v2.5", 5, Some("altgr")),
            ("02/v2.5", 38, Some("a")),
            ("06/v2.9", 7, Some("ctrl")),
            ("06/v2.10", 5, Some("ctrl")),
            ("06/v2.10", 36, Some("a")),
            ("0c/v8.0", 36, Some("a")),
            ("0c/v8.0", 149, Some("lang2")),
            ("0c/v8.0", 161, Some("f24")),
            ("0c/v8.0", 162, None),
            ("0c/v8.0", u32::MAX, None),
        ] {
            assert_eq!(name(label, Key::Qcode(code)), wanted, "{label} {code}");
        }
        // What each list ends with, and what came between.
        for (label, last, before_kp_comma) in [
            ("04/v2.6", "power", "ro"),
            ("06/v2.9", "power", "yen"),
            ("06/v2.10", "ac_bookmarks", "yen"),
            ("07/v2.12", "f24", "katakanahiragana"),
        ] {
            let names: Vec<_> = (0..).map_while(|code| name(label, Key::Qcode(code))).collect();
            assert_eq!(names.last(), Some(&last), "{label}");
            let place = names.iter().position(|name| *name == "kp_comma").unwrap();
            assert_eq!(names[place - 1], before_kp_comma, "{label}");
        }
        assert_eq!(name("0e/v11.1", Key::Linux(30)), Some("a"));
        assert_eq!(name("0e/v11.1", Key::Linux(28)), Some("enter"));
        assert_eq!(name("0e/v11.1", Key::Linux(84)), None, "Linux has none at 84");
        assert_eq!(name("0e/v11.1", Key::Linux(u32::MAX)), None);
        assert_eq!(name("0c/v8.0", Key::Number(30)), None);
        assert_eq!(key_name(None, Key::Qcode(161)), Some("f24"));
    }

    #[test]
    fn no_list_has_a_name_twice() {
        for list in [Qcodes::First, Qcodes::Japanese, Qcodes::Media, Qcodes::Last] {
            let names: Vec<_> = (0..).map_while(|place| qcode_name(list, place)).collect();
            let mut unique = names.clone();
            unique.sort_unstable();
            unique.dedup();
            assert_eq!(unique.len(), names.len(), "{list:?}");
        }
    }

    #[test]
    fn buttons_axes_and_touches_have_names_as_far_as_qemu_has_them() {
        assert_eq!(button_name(0), Some("left"));
        assert_eq!(button_name(9), Some("touch"));
        assert_eq!(button_name(10), None);
        assert_eq!(axis_name(1), Some("y"));
        assert_eq!(axis_name(2), None);
        assert_eq!(touch_name(4), Some("data"));
        assert_eq!(touch_name(u32::MAX), None);
    }
}

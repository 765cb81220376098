//! Tests of edits: what is set, cleared, put between and taken out.

use super::*;
use proptest::prelude::*;

const TEXT: &str = "MSH|^~\\&|A|B\rPID|1||5^^^H~6||Doe^Jo\rNTE|1\rNTE|2||x\r";

fn message(text: &str) -> Message {
    Message::parse(Bytes::copy_from_slice(text.as_bytes())).unwrap()
}

fn path(text: &str) -> Path {
    Path::parse(text).unwrap()
}

#[test]
fn sets_and_makes_what_is_missing() {
    let check = |place: &str, value: &str, from: &str, to: &str| {
        let mut edited = message(TEXT);
        edited.set(&path(place), value).unwrap();
        assert_eq!(
            String::from_utf8(edited.write().to_vec()).unwrap(),
            TEXT.replace(from, to),
            "{place}"
        );
    };
    check("PID-5.2", "Al", "Doe^Jo", "Doe^Al");
    check("PID-5.3", "Q", "Doe^Jo", "Doe^Jo^Q");
    check("PID-5[2].1", "Roe", "Doe^Jo", "Doe^Jo~Roe");
    check("PID-5[3].2.2", "x", "Doe^Jo", "Doe^Jo~~^&x");
    check("PID-3", "7", "5^^^H~6", "7");
    check("PID-3.1", "7", "5^", "7^");
    check("PID-3[2]", "7", "~6", "~7");
    check("PID-3[*].1", "0", "5^^^H~6", "0^^^H~0");
    check("PID-8", "F", "Doe^Jo", "Doe^Jo|||F");
    check("NTE[2]-3", "a|b", "||x", r"||a\F\b");
    check("NTE[*]-1", "9", "NTE|1\rNTE|2", "NTE|9\rNTE|9");
    check("MSH-10", "77", "|A|B", "|A|B||||||77");
    check("ZB1-2", "v", "||x\r", "||x\rZB1||v\r");
    check("NTE[3]-1", "3", "||x\r", "||x\rNTE|3\r");
    check("PID-5", "", "Doe^Jo", "");
}

#[test]
fn refuses_places_that_cannot_be_changed() {
    let check = |place: &str, code: &str| {
        let fault = message(TEXT).set(&path(place), "v").unwrap_err();
        assert_eq!(fault.code().as_str(), code, "{place}");
    };
    check("MSH-1", "W2031");
    check("MSH-2", "W2031");
    check("PID", "W2031");
    check("NTE[4]-1", "W2033");
    check("PID-20000", "W2032");
    for raw in ["a|b", "a\rb", "a\nb"] {
        assert_eq!(
            message(TEXT).set_raw(&path("PID-5"), raw.as_bytes()).unwrap_err().code(),
            W2034
        );
    }
}

#[test]
fn clears_only_what_is_there() {
    let check = |place: &str, all: bool, from: &str, to: &str| {
        let mut edited = message(TEXT);
        let path = path(place);
        if all {
            edited.clear_all(&path).unwrap()
        } else {
            edited.clear(&path).unwrap()
        }
        assert_eq!(
            String::from_utf8(edited.write().to_vec()).unwrap(),
            TEXT.replace(from, to),
            "{place}"
        );
    };
    check("PID-3", false, "5^^^H~6", "");
    check("PID-3.1", false, "5^", "^");
    check("PID-3.1", true, "5^^^H~6", "^^^H~");
    check("PID-30", false, "", "");
    check("NTE-1", true, "NTE|1\rNTE|2", "NTE|\rNTE|");
    check("ZZ9-1", true, "", "");
}

#[test]
fn parts_are_put_between_and_taken_out() {
    let check = |place: &str, from: &str, inserted: &str, removed: &str| {
        let mut edited = message(TEXT);
        edited.insert(&path(place), "n|").unwrap();
        let expected = TEXT.replace(from, inserted);
        assert_eq!(edited.write(), expected.as_bytes(), "insert {place}");
        let mut edited = message(TEXT);
        edited.remove(&path(place)).unwrap();
        let expected = TEXT.replace(from, removed);
        assert_eq!(edited.write(), expected.as_bytes(), "remove {place}");
    };
    check("PID-3[1]", "5^^^H~6", r"n\F\~5^^^H~6", "6");
    check("PID-3[2]", "5^^^H~6", r"5^^^H~n\F\~6", "5^^^H");
    check("PID-3[4]", "5^^^H~6", r"5^^^H~6~~n\F\", "5^^^H~6");
    check("PID-5.1", "Doe^Jo", r"n\F\^Doe^Jo", "Jo");
    check("PID-5.2", "Doe^Jo", r"Doe^n\F\^Jo", "Doe");
    check("PID-5.2.1", "Doe^Jo", r"Doe^n\F\&Jo", "Doe^");
    check("PID-3[2].1", "~6|", r"~n\F\^6|", "~|");
    check("PID-3", "||5^^^H~6|", r"||n\F\|5^^^H~6|", "||");
    check("PID-5", "||Doe^Jo\r", "||n\\F\\|Doe^Jo\r", "|\r");
    check("PID-9", "Doe^Jo\r", "Doe^Jo||||n\\F\\\r", "Doe^Jo\r");
    check("NTE[2]-3", "NTE|2||x", r"NTE|2||n\F\|x", "NTE|2|");
    check("MSH-4", "|A|B", r"|A|n\F\|B", "|A");
    check("NTE[3]-1", "||x\r", "||x\rNTE|n\\F\\\r", "||x\r");

    let mut edited = message(TEXT);
    edited.remove(&path("NTE[2]")).unwrap();
    edited.remove(&path("ZZ9")).unwrap();
    assert_eq!(edited.write(), TEXT.replace("NTE|2||x\r", "").as_bytes());
    for place in ["MSH-1", "PID-3[*]", "NTE[*]-1", "NTE"] {
        assert_eq!(message(TEXT).insert(&path(place), "v").unwrap_err().code(), W2031, "{place}");
    }
    assert_eq!(message(TEXT).remove(&path("MSH")).unwrap_err().code(), W2033);
    assert_eq!(message(TEXT).remove(&path("MSH-2")).unwrap_err().code(), W2031);
}

#[test]
fn changes_are_made_together() {
    let mut edited = message(TEXT);
    let mut changes = Vec::new();
    for place in ["NTE-3", "PID-3.1", "PID-5.2"] {
        edited.each_at(&path(place), &mut |found| {
            let new = format!("{}{}", found.occurrence, found.repetition);
            let index = found.segment.index();
            changes.push(edited.change(index, &found.value, new.into_bytes()).unwrap());
        });
    }
    edited.change_all(changes).unwrap();
    let expected = TEXT.replace("5^^^H~6", "11^^^H~12").replace("Jo\r", "11\r");
    assert_eq!(edited.write(), expected.replace("||x\r", "||21\r").as_bytes());
    // And of what was edited already.
    let name = edited.read(&path("PID-5.1")).unwrap();
    let change = edited.change(1, &name, b"Roe".to_vec()).unwrap();
    assert_eq!(format!("{change:?}"), "Change(segment 1, 18..21, <phi>)");
    edited.change_all(vec![change]).unwrap();
    assert_eq!(edited.read(&path("PID-5")).unwrap().raw(), b"Roe^11");

    let code = |change: Result<Change, Fault>| change.unwrap_err().code();
    let read = |place: &str| edited.read(&path(place)).unwrap();
    assert_eq!(code(edited.change(2, &read("PID-5.1"), Vec::new())), W2033);
    assert_eq!(code(edited.change(9, &read("PID-5.1"), Vec::new())), W2033);
    assert_eq!(code(edited.change(0, &read("MSH-2"), Vec::new())), W2031);
    assert_eq!(code(edited.change(1, &read("PID"), Vec::new())), W2031);
    assert_eq!(code(edited.change(1, &read("PID-5.1"), b"a|b".to_vec())), W2034);
    assert_eq!(code(edited.change(1, &read("PID-5.1"), b"a\rb".to_vec())), W2034);
    let twice = ["PID-5", "PID-5.1"].map(|at| edited.change(1, &read(at), Vec::new()).unwrap());
    let mut other = edited.clone();
    assert_eq!(other.change_all(twice.into()).unwrap_err().code(), W2034);
    assert_eq!(other.write(), edited.write());
}

/// Bytes that an edit of a message with `n` of something looks at and copies, a byte of it.
fn work(text: &str, edit: impl Fn(&mut Message)) -> f64 {
    let mut edited = message(text);
    let (bytes, ()) = marks::worked(|| edit(&mut edited));
    assert!(Message::parse(edited.write()).is_ok());
    bytes as f64 / text.len() as f64
}

#[test]
fn work_grows_with_the_message_and_no_faster() {
    let of = |unit: &str, n: usize| ["MSH|^~\\&|A\rPID|1||", &unit.repeat(n), "\r"].concat();
    let check = |unit: &str, most: usize, edit: &dyn Fn(&mut Message)| {
        let [few, many] = [most / 100, most].map(|n| work(&of(unit, n), edit));
        assert!(many < 1.2 * few + 1.0 && many < 100.0, "{unit}: {few} bytes a byte, then {many}");
    };
    check("5^^^E&1&ISO~", 100_000, &|m| m.set(&path("PID-3[*].4.2"), "2").unwrap());
    check("5^^^E~", 100_000, &|m| m.set(&path("PID-3[*].9"), "2").unwrap());
    check("5^^^E~", 100_000, &|m| m.clear_all(&path("PID-3.1")).unwrap());
    check("5~", 100_000, &|m| m.set(&path("PID-3[*]"), "66").unwrap());
    check("x\rPID|2||", 50_000, &|m| m.clear_all(&path("PID-3")).unwrap());
    check("5^^^E&1&ISO~", 100_000, &|m| {
        let mut changes = Vec::new();
        m.each_at(&path("PID-3.4.2"), &mut |found| {
            changes.push(m.change(1, &found.value, b"2".to_vec()).unwrap());
        });
        m.change_all(changes).unwrap();
    });
}

#[test]
fn null_empty_and_absent_stay_apart() {
    let mut edited = message(TEXT);
    edited.set_null(&path("PID-8")).unwrap();
    let value = |message: &Message, place: &str| {
        message
            .read(&path(place))
            .map(|value| (value.is_null(), value.is_empty(), value.is_valued()))
    };
    assert_eq!(value(&edited, "PID-8"), Some((true, false, false)));
    assert_eq!(value(&edited, "PID-7"), Some((false, true, false)));
    assert_eq!(value(&edited, "PID-9"), None);
    assert_eq!(value(&edited, "PID-5"), Some((false, false, true)));
    edited.set(&path("PID-8"), "").unwrap();
    assert_eq!(value(&edited, "PID-8"), Some((false, true, false)));
    // Two quotes that are text and not null are written as text that reads the same.
    edited.set(&path("PID-8.1"), "\"\"").unwrap();
    assert!(edited.write().windows(6).any(|w| w == b"|||\"\"\r"));
}

#[test]
fn characters_that_do_not_fit_are_refused_with_their_place() {
    let text = "MSH|^~\\&|A||||||ADT|1|P|2.5||||||8859/1\rPID|1\r";
    let mut edited = message(text);
    let fault = edited.set(&path("PID-5.1"), "\u{20ac}").unwrap_err();
    assert_eq!((fault.code(), &*fault.place().to_string()), (W2034, "PID-5.1"));
    edited.set_with(&path("PID-5"), "\u{20ac}\u{fc}", Unfit::Hex).unwrap();
    assert!(edited.write().ends_with(b"PID|1||||\\XE282AC\\\xfc\r"));
}

#[test]
fn segments_come_and_go_with_the_terminator_of_the_message() {
    for end in ["\r", "\n", "\r\n"] {
        let text = ["MSH|^~\\&|A", "PID|1", "PV1|1"].join(end);
        let mut edited = message(&text);
        edited.insert_segment(2, b"ZB1|x").unwrap();
        edited.insert_segment(9, b"ZB2|y").unwrap();
        edited.remove_segment(1).unwrap();
        let expected = ["MSH|^~\\&|A", "ZB1|x", "PV1|1", "ZB2|y", ""].join(end);
        assert_eq!(edited.write(), expected.as_bytes());
        assert_eq!(edited.segment(1).unwrap().id(), "ZB1");
    }
    let mut edited = message(TEXT);
    assert!(edited.insert_segment(0, b"ZB1|x").is_err());
    assert!(edited.insert_segment(1, b"x").is_err());
    assert!(edited.remove_segment(0).is_err());
    assert!(edited.remove_segment(9).is_err());
}

#[test]
fn unedited_messages_are_written_without_a_copy() {
    let original = message(TEXT);
    assert_eq!(original.write().as_ptr(), original.bytes().as_ptr());
}

#[test]
fn an_edit_of_a_clone_leaves_the_other_alone() {
    let original = message(TEXT);
    let mut first = original.clone();
    first.set(&path("PID-5"), "X").unwrap();
    let mut second = first.clone();
    second.set(&path("PID-5"), "Y").unwrap();
    assert_eq!(original.read(&path("PID-5.1")).unwrap().text(), "Doe");
    assert_eq!(first.read(&path("PID-5")).unwrap().text(), "X");
    assert_eq!(second.read(&path("PID-5")).unwrap().text(), "Y");
    assert_eq!(second.read(&path("PID-5")).unwrap().range(), 0..0);
}

proptest! {
    #[test]
    fn what_is_inserted_is_taken_out_again(
        field in 1usize..9, repetition in 1usize..3, component in 0usize..3, subcomponent in 1usize..3,
    ) {
        let place = match component {
            0 => path(&format!("PID-{field}[{repetition}]")),
            n => path(&format!("PID-{field}[{repetition}].{n}.{subcomponent}")),
        };
        let original = message(TEXT);
        let is_there = original.read(&place).is_some();
        let mut edited = original.clone();
        edited.insert(&place, "new").unwrap();
        prop_assert_eq!(edited.read(&place).unwrap().text(), "new");
        edited.remove(&place).unwrap();
        if is_there {
            prop_assert_eq!(edited.write(), original.write());
        }
        // What follows the segment is never touched.
        prop_assert!(edited.write().ends_with(b"NTE|1\rNTE|2||x\r"));
    }

    #[test]
    fn what_is_set_is_read(
        field in 1usize..12, repetition in 1usize..4, component in 1usize..5,
        subcomponent in 1usize..3, text in "\\PC{1,12}"
    ) {
        let place = path(&format!("PID-{field}[{repetition}].{component}.{subcomponent}"));
        let mut edited = message(TEXT);
        edited.set(&place, &text).unwrap();
        let again = Message::parse(edited.write()).unwrap();
        prop_assert_eq!(edited.read(&place).unwrap().text(), text.as_str());
        prop_assert_eq!(again.read(&place).unwrap().text(), text.as_str());
    }
}

//! Arbitrary text is read or refused, never a panic.

use proptest::prelude::*;

use super::{CHANNEL, CONFIG, Tree};
use crate::properties::targets;

fn parse(text: &str) {
    targets::settings(text.as_bytes());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn on_any_text(text in any::<String>()) {
        parse(&text);
    }

    #[test]
    fn on_text_like_toml(text in "([a-c.'\"=\\[\\]{}, \n#\\\\ex0-9é-]|\"\"\"|\\[\\[)*") {
        parse(&text);
    }

    #[test]
    fn on_a_file_cut_and_glued(at in 0..CHANNEL.len(), with in "[\\[\\]{}=\"'\n.,#a-z]{0,5}") {
        let mut text = CHANNEL.to_owned();
        text.insert_str(at, &with);
        parse(&text);
        parse(&text[..at]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn on_a_tree(at in 0..CHANNEL.len(), with in "[\\[\\]{}=\"'\n.,#a-z0-9]{0,5}") {
        let mut text = CHANNEL.to_owned();
        text.insert_str(at, &with);
        let tree = Tree::new(&[("config.toml", CONFIG), ("channels/adt.toml", &text)]);
        let (plan, problems, sources) = tree.load(None);
        prop_assert_eq!(plan.is_none(), problems.any(weir::fault::Severity::Error));
        let _ = super::drawn(&problems, &sources);
    }
}

//! Many mistakes in one file are all found in one run, and drawn for people.

use super::{CHANNEL, CONFIG, Tree, drawn};

#[test]
fn ten_mistakes_are_found_at_once() {
    let channel = r#"[channel]
name = "Adt Main"
enabled = "yes"
colour = "red"
expect = { every = 10, betwen = "06:00-22:00" }
[source]
type = "mlpp"
[filter]
wehn = "PV1-2 valued"
[consent]
policy = "hie-defualt"
patient = "PID-3.1"
on_deny = "drop"
[queue]
max_age = 24
max_messages = -1
[validate]
profile = "x"
"#;
    let tree = Tree::new(&[("config.toml", CONFIG), ("channels/lab.toml", channel)]);
    let (plan, problems, sources) = tree.load(None);
    assert!(plan.is_none());
    insta::assert_snapshot!(drawn(&problems, &sources));
}

#[test]
fn no_configuration_says_what_to_do() {
    let tree = Tree::new(&[]);
    let (plan, problems, sources) = tree.load(None);
    assert!(plan.is_none());
    let text = drawn(&problems, &sources);
    assert!(text.contains("W1004") && text.contains("weir init"), "{text}");
}

#[test]
fn a_secret_in_a_file_is_refused_and_never_shown() {
    let config = "[weir]\nsite = 'x'\n[keys]\nkeyring = 'hunter2-hunter2'\nrotate = 5\n\
                  [admin]\nauth = { type = 'oidc', issuer = 'x', client_id = 'y', secret = \
                  'opensesame', bad = 1 }\n";
    let tree = Tree::new(&[("config.toml", config), ("channels/adt.toml", CHANNEL)]);
    let (plan, problems, sources) = tree.load(None);
    assert!(plan.is_none());
    let text = format!("{}{problems:?}{sources:?}", drawn(&problems, &sources));
    assert_eq!(text.matches("W1031").count() / 3, 2, "{text}");
    assert!(!text.contains("hunter2") && !text.contains("opensesame"), "{text}");
}

#[test]
fn a_syntax_error_hides_nothing_else() {
    let config = "[weir]\nsite = \"x\nreload = \"sginal\"\n";
    let tree = Tree::new(&[("config.toml", config), ("channels/adt.toml", CHANNEL)]);
    let lines = tree.lines(None);
    assert!(lines.iter().any(|l| l.starts_with("config.toml:2:") && l.contains("W1001")));
    assert!(lines.iter().any(|l| l.starts_with("config.toml:3:") && l.contains("W1013")));
}

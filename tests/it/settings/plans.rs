//! Sites, templates, the digest of a plan and the difference of two plans.

use weir::config::{Changes, diff};

use super::{CHANNEL, CONFIG, Tree};

fn tree() -> Tree {
    Tree::new(&[("config.toml", CONFIG), ("channels/adt.toml", CHANNEL)])
}

#[test]
fn a_site_is_laid_over_by_names() {
    let tree = tree();
    tree.write(
        "sites/north.toml",
        "[store]\nmin_free = '2 GiB'\n[channel.adt]\ntags = ['north']\n\
         [channel.adt.source]\nlisten = '127.0.0.2:0'\n\
         [channel.adt.destination.archive]\ndir = 'north'\n",
    );
    let (plan, problems, _) = tree.load(Some("north"));
    assert!(problems.is_empty(), "{:?}", super::lines(&problems));
    let plan = plan.unwrap();
    let channel = plan.channel("adt").unwrap();
    assert_eq!(channel.tags, vec!["north".into()]);
    assert_eq!(channel.source.listen().unwrap().to_string(), "127.0.0.2:0");
    assert_eq!(plan.server.store.min_free.to_string(), "2 GiB");
    assert!(channel.destinations[0].kind.target().ends_with("north"));
    assert!(tree.plan() != plan);
}

#[test]
fn a_mistake_in_a_site_names_its_file() {
    let tree = tree();
    tree.write("sites/north.toml", "[channel.adt.queue]\nmax_age = 5\n[channel.atd]\nx = 1\n");
    assert_eq!(
        tree.lines(Some("north")),
        [
            "sites/north.toml:2:11 W1022 a duration is a number and a unit, such as `500ms`, \
             `5s`, `10m`, `24h`, `30d` or `6y`",
            "sites/north.toml:3:10 W1045 no channel is named `atd`",
        ]
    );
    let missing = tree.lines(Some("south"));
    assert!(missing[0].contains("W1004"), "{missing:?}");
}

#[test]
fn a_template_lies_under_the_channel() {
    let tree = tree();
    tree.write("templates/lab.toml", "[queue]\nmax_messages = 7\non_full = 'nak'\n");
    let text = CHANNEL.replace("[channel]", "[channel]\nextends = 'templates/lab.toml'");
    tree.write("channels/adt.toml", &format!("{text}[queue]\nmax_messages = 9\n"));
    let plan = tree.plan();
    let channel = plan.channel("adt").unwrap();
    assert_eq!(channel.queue.max_messages, Some(9));
    assert_eq!(channel.queue.on_full, weir::config::OnFull::Nak);
    assert_eq!(&*channel.file, "channels/adt.toml");
}

#[test]
fn layout_and_comments_change_nothing() {
    let tree = tree();
    let before = tree.plan();
    let mut tables: Vec<String> =
        CHANNEL.trim().split("\n[").map(|t| t.trim_start_matches('[').to_owned()).collect();
    tables.reverse();
    tree.write("channels/adt.toml", &format!("# comment\n[{}\n", tables.join("\n\n[")));
    let after = tree.plan();
    assert_eq!(before, after);
    assert_eq!(before.revision, after.revision);
    assert!(diff(&before, &after).is_empty());
}

#[test]
fn two_channels_may_not_share_name_or_address() {
    let tree = tree();
    let fixed = CHANNEL.replace("127.0.0.1:0", "127.0.0.1:2575");
    tree.write("channels/adt.toml", &fixed);
    tree.write("channels/b.toml", &fixed);
    let lines = tree.lines(None);
    assert!(lines[0].contains("W1041") && lines[0].starts_with("channels/b.toml"), "{lines:?}");
    assert!(lines[1].contains("W1042") && lines[1].contains("channels/adt.toml"), "{lines:?}");
    tree.write("channels/b.toml", &fixed.replace("\"adt\"", "\"b\"\nenabled = false"));
    assert_eq!(tree.lines(None), Vec::<String>::new());
}

#[test]
fn the_difference_says_what_a_reload_does() {
    let tree = tree();
    let names = |channel: &str| channel.replace("\"adt\"", "\"lab\"");
    tree.write("channels/lab.toml", &names(CHANNEL));
    let before = tree.plan();
    assert!(diff(&before, &before).is_empty());

    let added = format!("{}[destination.copy]\ntype = 'file'\ndir = 'copy'\n", names(CHANNEL));
    tree.write("channels/lab.toml", &added);
    let after = tree.plan();
    let changes = diff(&before, &after);
    assert_eq!(changes.unchanged.len(), 1);
    let [change] = &changes.changed[..] else { panic!("{changes:?}") };
    assert_eq!(change.name.as_str(), "lab");
    assert!(!change.source && change.removed.is_empty() && change.changed.is_empty());
    assert_eq!(change.added[0].as_str(), "copy");

    let back = diff(&after, &before);
    assert_eq!(back.changed[0].removed, change.added);
    assert_eq!(back.gone[0].destination.as_str(), "copy");

    let renamed = names(CHANNEL).replace("archive", "store");
    tree.write("channels/lab.toml", &renamed);
    let changes = diff(&before, &tree.plan());
    assert_eq!(changes.gone[0].destination.as_str(), "archive");
    assert_eq!(changes.gone[0].heirs[0].as_str(), "store");

    tree.write("channels/lab.toml", &names(CHANNEL).replace("127.0.0.1:0", "127.0.0.2:0"));
    assert!(diff(&before, &tree.plan()).changed[0].source);

    let off = names(CHANNEL).replace("[channel]", "[channel]\nenabled = false");
    tree.write("channels/lab.toml", &off);
    let stopped = tree.plan();
    let Changes { removed, gone, .. } = diff(&before, &stopped);
    assert_eq!(removed[0].as_str(), "lab");
    assert!(gone.is_empty(), "a disabled channel keeps its queues");
    assert_eq!(diff(&stopped, &before).added[0].as_str(), "lab");

    tree.write("config.toml", "[weir]\nsite = 'test'\ndata_dir = 'elsewhere'\n");
    assert_eq!(diff(&stopped, &tree.plan()).restart, ["[weir] data_dir", "[store]", "[admin]"]);
}

#[test]
fn a_gate_needs_policy_patient_and_recipient() {
    let policy = "[policy]\nname = 'hie'\ndefault = 'deny'\n[[rule]]\npurpose = ['TREAT']\n\
                  then = 'permit'\n";
    let config = format!("{CONFIG}[consent]\npolicies = ['policies/*.toml']\n");
    let gate = "policy = 'hie'\npatient = 'PID-3.1'\n";
    let channel = CHANNEL.replace("policy = \"none\"\nwhy = \"a test\"\n", gate);
    let full = format!("{channel}recipient = 'Organization/x'\npurpose = 'TREAT'\n");
    let check = |channel: &str, expected: &[&str]| {
        let tree = Tree::new(&[
            ("config.toml", &config),
            ("policies/hie.toml", policy),
            ("channels/adt.toml", channel),
        ]);
        let lines = tree.lines(None);
        assert_eq!(lines.len(), expected.len(), "{lines:?}");
        for (line, part) in lines.iter().zip(expected) {
            assert!(line.contains(part), "{line} has no {part}");
        }
    };
    check(&full, &[]);
    check(&channel, &["`recipient`", "`purpose`"]);
    check(&full.replace("patient = 'PID-3.1'\n", ""), &["`patient`"]);
    check(&full.replace("'hie'", "'hei'"), &["W1046"]);
    check(&full.replace("policy = 'hie'\n", ""), &["`policy`"]);
    check(&CHANNEL.replace("why = \"a test\"\n", ""), &["W1049"]);
    check(&CHANNEL.replace("[consent]\npolicy = \"none\"\nwhy = \"a test\"\n", ""), &["W1014"]);
}

#[test]
fn a_policy_that_changes_changes_its_channels() {
    let policy = |then: &str| {
        format!(
            "[policy]\nname = 'hie'\ndefault = 'deny'\n[[rule]]\nthen = '{then}'\npurpose = ['TREAT']\n"
        )
    };
    let config = format!("{CONFIG}[consent]\npolicies = ['policies/*.toml']\n");
    let gate = "policy = 'hie'\npatient = 'PID-3.1'\non_unknown = 'deny'\n";
    let channel = CHANNEL.replace("policy = \"none\"\nwhy = \"a test\"\n", gate);
    let channel = format!("{channel}recipient = 'Organization/x'\npurpose = 'TREAT'\n");
    let open = CHANNEL.replace("\"adt\"", "\"open\"");
    let tree = Tree::new(&[
        ("config.toml", &config),
        ("policies/hie.toml", &policy("permit")),
        ("channels/adt.toml", &channel),
        ("channels/open.toml", &open),
    ]);
    let before = tree.plan();
    tree.write("policies/hie.toml", &policy("permit").replace("'hie'", "'hie'\nabout = 'x'"));
    let changes = diff(&before, &tree.plan());
    assert_eq!(changes.changed.len(), 1, "{changes:?}");
    assert_eq!(changes.changed[0].name.as_str(), "adt");
    assert!(!changes.changed[0].source, "the listener stays open");
    assert_eq!(changes.unchanged[0].as_str(), "open");
}

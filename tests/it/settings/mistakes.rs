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
on_fail = "nack"
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

#[test]
fn the_cause_is_told_and_not_what_follows_from_it() {
    let check = |files: &[(&str, &str)], site: Option<&str>, expected: &[&str]| {
        let mut all = vec![("config.toml", CONFIG), ("channels/adt.toml", CHANNEL)];
        all.extend(files);
        let lines = Tree::new(&all).lines(site);
        let starts = lines.iter().zip(expected).all(|(line, start)| line.starts_with(start));
        assert!(starts && lines.len() == expected.len(), "{expected:#?}\n{lines:#?}");
    };
    let mapped = CHANNEL.to_owned()
        + "[map]\nuse = 'mappings/x.toml'\n[[encrypt]]\nat = 'Patient.birthDate'\nas = 'drop'\n\
           [destination.ehr]\ntype = 'fhir'\nurl = 'http://127.0.0.1:1/fhir'\n";
    // The mapping is wrong: what leaves is not known, so its form is not complained of.
    let broken = [("channels/adt.toml", &*mapped), ("mappings/x.toml", "[mapping\nfrom = 'x'\n")];
    check(&broken, None, &["mappings/x.toml:1:9 W1001"]);
    // The mapping is missing: that alone is said.
    check(&[("channels/adt.toml", &mapped)], None, &["channels/adt.toml:14:7 W1043"]);
    // The policy is wrong, not the channel that names it.
    let config = format!("{CONFIG}[consent]\npolicies = ['policies/*.toml']\n");
    let gated = CHANNEL.replace("policy = \"none\"\nwhy", "policy = 'p'\npatient = 'PID-3.1'\n#");
    let gated = gated.replace("dir =", "recipient = 'Organization/x'\npurpose = 'TREAT'\ndir =");
    let files =
        [("config.toml", &*config), ("channels/adt.toml", &gated), ("policies/p.toml", "[policy")];
    check(&files, None, &["policies/p.toml:1:8 W1001"]);
    // Keys after a mistake may have fallen into another table; one mistake is told once.
    let site = "[channel.adt]\ntags = ['a'\n[metrics]\nlisten = '127.0.0.1:0'\n";
    check(&[("sites/s.toml", site)], Some("s"), &["sites/s.toml:3:1 W1001"]);
    let site = "[channel.adt.source]\ntags = ['a'\nlisten = '127.0.0.1:0'\n";
    check(&[("sites/s.toml", site)], Some("s"), &["sites/s.toml:3:1 W1001"]);
    // One that has a near name where it stands is a mistake of its own, after the cause.
    let site = "[channel.adt.source]\nlsiten = '127.0.0.1:0'\nallow = ['a'\nframing 'strict'\n";
    let both = ["sites/s.toml:4:1 W1001", "sites/s.toml:2:1 W1012"];
    check(&[("sites/s.toml", site)], Some("s"), &both);
}

#[test]
fn a_file_that_is_not_utf_8_says_where_and_how_to_convert() {
    let check = |name: &str, bytes: &[u8], place: &str, parts: &[&str]| {
        let tree = Tree::new(&[("config.toml", CONFIG), ("channels/adt.toml", CHANNEL)]);
        std::fs::write(tree.path().join(name), bytes).unwrap();
        let (plan, problems, sources) = tree.load(Some("s").filter(|_| name.contains("sites")));
        assert!(plan.is_none(), "{name}");
        let lines = super::lines(&problems);
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].starts_with(place), "{lines:?}");
        let text = drawn(&problems, &sources);
        assert!(parts.iter().all(|part| text.contains(part)), "{parts:?}\n{text}");
    };
    let latin = [CHANNEL.as_bytes(), b"# caf\xe9\n"].concat();
    let at = format!("offset {}", CHANNEL.len() + 5);
    let convert = "`iconv -f WINDOWS-1252 -t UTF-8 channels/adt.toml > channels/adt.toml.utf8`";
    check("channels/adt.toml", &latin, "channels/adt.toml:13:6 W1004", &[&at, convert]);
    let wide: Vec<u8> =
        std::iter::once(0xfeff).chain(CONFIG.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    check("config.toml", &wide, "config.toml:1:1 W1004", &["offset 0", "-f UTF-16LE"]);
}

/// A path with a slip of the pen is a path that never finds anything.
#[test]
fn paths_that_find_nothing_are_told() {
    let check = |from: &str, to: &str, expected: &[&str]| {
        let channel = CHANNEL.replace(from, to);
        assert_ne!(channel, CHANNEL);
        let tree = Tree::new(&[("config.toml", CONFIG), ("channels/adt.toml", &channel)]);
        let lines = tree.lines(None);
        let found: Vec<&str> = lines
            .iter()
            .filter(|line| ["W1065", "W1066", "W1067"].iter().any(|code| line.contains(code)))
            .map(|line| line.split(" (").next().unwrap_or(line))
            .collect();
        assert_eq!(found.len(), expected.len(), "{lines:?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.contains(expected), "{found} {expected}");
        }
    };
    let name = "name = \"adt\"\n";
    check(name, &format!("{name}order_by = \"PID-3.1\"\n"), &[]);
    check(name, &format!("{name}order_by = \"PID-99\"\n"), &["W1066"]);
    check(name, &format!("{name}order_by = \"Patient.id\"\n"), &["W1067"]);
    check("why = ", "patient = \"PID3\"\nwhy = ", &["W1067"]);
    check("[destination", "[filter]\nwhen = \"QQQ-1 valued\"\n[destination", &["W1066"]);
    let drop = "[[encrypt]]\nat = \"PID-91\"\nas = \"drop\"\n[destination";
    check("[destination", drop, &["W1066"]);
    check("dir = \"out\"", "dir = \"data/journal/x\"", &["W1065"]);
}

#[test]
fn mappings_of_answers_must_answer() {
    let mapping = |to: &str, rule: &str| {
        format!("[mapping]\nfrom = 'hl7v2:2.5.1:OML_O21'\nto = '{to}'\n{rule}")
    };
    let orc = "[rule.ORC]\neach = 'ORC in ORDER'\n[rule.ORC.set]\n'ORC-1' = \"'OK'\"\n";
    let check = |list: &str, expected: &[&str]| {
        let channel = format!("{CHANNEL}[answer]\nmap = {list}\n");
        let good = mapping("hl7v2:2.5.1:ORL_O22", orc);
        let other = mapping("hl7v2:2.5.1:ORR_O02", "");
        let msa = mapping("hl7v2:2.5.1:ORL_O22", "[rule.MSA.set]\n'MSA-1' = \"'AA'\"\n");
        let fhir = mapping("fhir-r4", "");
        let tree = Tree::new(&[
            ("config.toml", CONFIG),
            ("channels/adt.toml", &channel),
            ("mappings/good.toml", &good),
            ("mappings/other.toml", &other),
            ("mappings/msa.toml", &msa),
            ("mappings/fhir.toml", &fhir),
        ]);
        let lines: Vec<String> =
            tree.lines(None).into_iter().filter(|line| line.contains("W2126")).collect();
        assert_eq!(lines.len(), expected.len(), "{lines:?}");
        for (line, expected) in lines.iter().zip(expected) {
            assert!(line.contains(expected), "{line}");
        }
    };
    check("['mappings/good.toml']", &[]);
    check("[]", &[]);
    let other = "OML_O21 is answered by ORL_O22, not by ORR_O02";
    check("['mappings/other.toml', 'mappings/good.toml']", &[other]);
    check("['mappings/good.toml', 'mappings/good.toml']", &["another mapping of the list"]);
    check("['mappings/msa.toml']", &["MSA of an answer is written by weir itself"]);
    check("['mappings/fhir.toml']", &["it makes FHIR"]);
}

//! Every key with a valid and an invalid value.

use super::{CHANNEL, CONFIG, Tree};

/// Loads a tree whose config.toml has `line` in `[table]`.
fn config(table: &str, line: &str) -> Vec<String> {
    let text = if table == "weir" {
        format!("{CONFIG}{line}\n")
    } else {
        format!("{CONFIG}[{table}]\n{line}\n")
    };
    Tree::new(&[("config.toml", &text), ("channels/adt.toml", CHANNEL)]).lines(None)
}

/// Loads a tree whose channel has `line` in `[table]`, after the lines that are there.
fn channel(table: &str, line: &str) -> Vec<String> {
    let header = format!("[{table}]\n");
    let text = match CHANNEL.find(&header) {
        Some(at) => {
            let (before, after) = CHANNEL.split_at(at + header.len());
            format!("{before}{line}\n{after}")
        }
        None => format!("{CHANNEL}{header}{line}\n"),
    };
    let files = [("config.toml", CONFIG), ("channels/adt.toml", text.as_str())];
    let tree = Tree::new(&files);
    tree.write("in.hl7", "MSH|^~\\&|A|B|C|D|20260102||ADT^A01|1|P|2.5\r");
    tree.lines(None)
}

fn none(lines: &[String], what: &str) {
    // Whether the keyring can be read is another matter.
    let errors: Vec<_> = lines.iter().filter(|line| !line.contains("W1048")).collect();
    assert!(errors.is_empty(), "{what}: {errors:?}");
}

fn code(lines: &[String], code: &str, what: &str) {
    assert!(lines.iter().any(|line| line.contains(code)), "{what}: {lines:?}");
}

#[test]
fn keys_of_config() {
    let check = |table: &str, good: &str, bad: &str, expected: &str| {
        none(&config(table, good), good);
        code(&config(table, bad), expected, bad);
    };
    check("weir", "data_dir = 'data'", "data_dir = ''", "W1011");
    check("weir", "channels = ['channels/*.toml']", "channels = ['chanels/*.toml']", "W1044");
    check("weir", "hl7 = []", "hl7 = ['hl7/*.toml']", "W1044");
    check("weir", "reload = 'watch'", "reload = 'wach'", "W1013");
    check("admin", "listen = '127.0.0.1:8443'", "listen = '0.0.0.0:8443'", "W1011");
    check("admin", "socket = 'a.sock'", "socket = 1", "W1011");
    check("admin", "roles = { ops = 'operator' }", "roles = { ops = 'root' }", "W1013");
    check(
        "admin",
        "auth = { type = 'oidc', issuer = 'x', client_id = 'y', secret = 'env:S' }",
        "auth = { type = 'oidc', issuer = 'x' }",
        "W1010",
    );
    check("metrics", "listen = '127.0.0.1:9464'", "listen = '9464'", "W1011");
    check("store", "commit = 'each'", "commit = 'never'", "W1013");
    check("store", "segment_size = '16 MiB'", "segment_size = '1 KiB'", "W1021");
    check("store", "max_size = '200 GiB'", "max_size = '200 GB'", "W1022");
    check("store", "min_free = '5 GiB'", "min_free = 5", "W1022");
    check("store", "keep = { delivered = '30d' }", "keep = { delivered = 30 }", "W1022");
    check("store", "keep = { dead = '180d', content = '7d' }", "keep = { all = '1d' }", "W1012");
    check("keys", "keyring = 'cred:keyring'", "keyring = 'secret'", "W1031");
    check("keys", "rotate = '90d'", "rotate = '90 days'", "W1022");
    check("consent", "policies = []", "policies = ['none/*.toml']", "W1044");
    check("consent", "directives = []", "directives = 'x'", "W1011");
    check("audit", "keep = '6y'", "keep = 6", "W1022");
    check("privacy", "reveal_for = '15m'", "reveal_for = 'long'", "W1022");
    check("privacy", "four_eyes = ['key-destroy']", "four_eyes = [1]", "W1011");
    check("log", "level = 'debug'", "level = 'loud'", "W1013");
    check("log", "format = 'text'", "format = 'xml'", "W1013");
    check("log", "control_id = true", "control_id = 'yes'", "W1011");
    check("telemetry", "sample = 0.5", "sample = 5", "W1021");
    check("telemetry", "otlp = 'http://127.0.0.1:4318'", "otlp = true", "W1011");
    check("exec.vault", "argv = ['/bin/true']", "argv = []", "W1011");
    check("exec.vault", "argv = ['x']\ntimeout = '5s'", "timeout = '5s'", "W1010");
    check("notify.a", "type = 'webhook'\nurl = 'env:U'", "type = 'webhook'", "W1010");
    check("notify.a", "type = 'webhook'\nurl = 'env:U'", "type = 'fax'", "W1013");
    check(
        "notify.a",
        "type = 'webhook'\nurl = 'file:/x'",
        "type = 'exec'\nprogram = 'page'",
        "W1055",
    );
    let mail = "type = 'email'\nto = ['a@example.org']\nserver = 'mail.example:25'";
    code(&config("notify.a", mail), "W1050", "no mail");
    check(
        "[alert]",
        "name = 'a'\nwhen = 'queue.oldest > 5m'\nfor = '2m'\nrepeat = '4h'\non = ['tag:x']",
        "name = 'a'\nwhen = 'queue.odlest > 5m'",
        "W1053",
    );
    check(
        "[alert]",
        "name = 'a'\nwhen = 'disk.free < 1 GiB'",
        "when = 'disk.free < 1 GiB'",
        "W1010",
    );
    code(
        &config("[alert]", "name = 'a'\nwhen = 'disk.free < 1 GiB'\nnotify = ['x']"),
        "W1056",
        "notify",
    );
    for later in ["backup.age > 2d", "breakglass.unreviewed > 0"] {
        let text = format!("name = 'a'\nwhen = '{later}'");
        code(&config("[alert]", &text), "W1050", "not measured");
    }
    code(&config("[alert]", "name = 'a'\nwhen = 'disk.free < 1'"), "W1053", "a unit");
    code(&config("stroe", "x = 1"), "W1012", "unknown table");
}

#[test]
fn keys_of_channels() {
    let check = |table: &str, good: &str, bad: &str, expected: &str| {
        none(&channel(table, good), good);
        code(&channel(table, bad), expected, bad);
    };
    check("channel", "about = 'x'", "about = 1", "W1011");
    check("channel", "owner = 'x@example.org'", "owner = []", "W1011");
    check("channel", "tags = ['adt', 'tier1']", "tags = 'adt'", "W1011");
    check("channel", "enabled = false", "enabled = 0", "W1011");
    check("channel", "order_by = 'PID-3.1'", "order_by = 'PID-'", "W4");
    check(
        "channel",
        "expect = { every = '10m', between = '06:00-22:00' }",
        "expect = { every = '10m', between = '6-22' }",
        "W1011",
    );
    check("channel", "expect = { every = '10m' }", "expect = { between = '06:00-22:00' }", "W1010");
    check("channel", "index = { visit = 'PV1-19' }", "index = { patient = 'PV1-19' }", "W1011");
    code(&channel("channel", "extends = 'no.toml'"), "W1043", "extends");
    code(&channel("channel", "naem = 'x'"), "W1012", "unknown key");
    check("filter", "when = \"PV1-2 = 'I'\"", "when = 'PV1-2 ='", "W4");
    check("consent", "on_deny = 'hold'", "on_deny = 'ask'", "W1013");
    check("validate", "profile = 'strict'", "profile = 'hl7/profiles/none.toml'", "W1043");
    check("validate", "on_fail = 'hold'", "on_fail = 'ask'", "W1013");
    check("validate", "hl7 = '2.5.1'", "hl7 = '2.9'", "W1011");
    check("validate", "strict = true", "strict = 'yes'", "W1011");
    check("validate", "levels = { type = 'note' }", "levels = { tpye = 'note' }", "W1011");
    check("validate", "codes = { W2105 = 'ignore' }", "codes = { W7102 = 'ignore' }", "W1013");
    check("validate", "paths = { PID-13 = 'ignore' }", "paths = { PID = 'maybe' }", "W1013");
    let rule = "must = 'PID-3 valued'\nat = 'PID-3'\nmessage = 'no number'";
    check("[validate.rule]", rule, "message = 'no number'", "W1010");
    code(&channel("[validate.rule]", "must = 'PID-3 valeud'\nmessage = 'x'"), "W4001", "rule");
    let order = "first = 'PV1-44'\nthen = 'PV1-45'\nmessage = 'left before'\nseverity = 'note'";
    check("[validate.order]", order, "first = 'PV1'\nthen = 'PV1-45'\nmessage = 'x'", "W1011");
    check("consent", "on_unknown = 'permit'", "on_unknown = 'maybe'", "W1013");
    check("queue", "max_messages = 1000", "max_messages = -1", "W1021");
    check("queue", "max_age = '24h'", "max_age = 24", "W1022");
    check("queue", "on_full = 'nak'", "on_full = 'drop'", "W1013");
    code(&channel("map", "use = 'mappings/none.toml'"), "W1043", "map");
    code(&channel("deidentify", "profile = 'x'"), "W1050", "deidentify");
    code(&channel("[encrypt]", "at = 'PID-19'\nas = 'seal'"), "W1010", "key");
    code(&channel("[encrypt]", "at = 'PID-19'\nas = 'hide'\nkey = 'x'"), "W1013", "as");
    code(&channel("[encrypt]", "at = 'PID-19'\nas = 'seal'\nkey = 'x'"), "W1047", "keyring");
}

#[test]
fn keys_of_destinations() {
    let check = |good: &str, bad: &str, expected: &str| {
        none(&channel("destination.archive", good), good);
        code(&channel("destination.archive", bad), expected, bad);
    };
    check("enabled = false", "enabled = 'no'", "W1011");
    check("recipient = 'Organization/x'", "recipient = 1", "W1011");
    check("purpose = 'TREAT'", "purpose = 1", "W1011");
    check("purpose = 'HRESCH'", "purpose = 'HRECSH'", "W3001");
    check("when = \"PV1-2 = 'I'\"", "when = 'PV1-2 ='", "W4");
    check("map = 'none'", "map = 'mappings/none.toml'", "W1043");
    check("timeout = '10s'", "timeout = 10", "W1022");
    check("parallel = 4", "parallel = 0", "W1021");
    check("rate = '50/s'", "rate = '50'", "W1011");
    check("rate = '600/m'", "rate = '0/s'", "W1021");
    check("retry = { first = '2s', max = '2m' }", "retry = { first = '2m', max = '2s' }", "W1021");
    check("retry = { give_up = '24h' }", "retry = { giveup = '24h' }", "W1012");
    check("retry = { factor = 3 }", "retry = { factor = 0 }", "W1021");
    check("on_reject = 'block'", "on_reject = 'ignore'", "W1013");
}

#[test]
fn keys_of_tests() {
    let base = "name = 'x'\ninput = 'in.hl7'\n";
    let check = |good: &str, bad: &str, expected: &str| {
        none(&channel("[test]", &format!("{base}{good}")), good);
        code(&channel("[test]", &format!("{base}{bad}")), expected, bad);
    };
    check("ack = 'AA'", "ack = 'OK'", "W1013");
    check("sent = []", "sent = ['archiv']", "W1052");
    check("sent = ['archive']\nconsent = 'deny'", "sent = []\nconsent = 'no'", "W1013");
    check("expect = { archive = { 'PID-5.1' = 'Doe' } }", "expect = { archive = 'x' }", "W1011");
    check(
        "expect = { archive = { 'MSH-12' = '2.5' } }",
        "expect = { archive = { 'PID-' = '1' } }",
        "W4",
    );
    check("absent = { archive = ['PID-19'] }", "absent = { archive = 'PID-19' }", "W1011");
    check("sealed = { archive = ['PID-19'] }", "sealed = { arhive = ['PID-19'] }", "W1052");
    check("golden = { archive = 'in.hl7' }", "golden = { archive = 'no.hl7' }", "W1043");
    check("code = 'W9001'", "code = 'W0000'", "W1013");
    code(&channel("[test]", base), "W1051", "nothing expected");
    code(&channel("[test]", "name = 'x'\ninput = 'no.hl7'\nack = 'AA'"), "W1043", "input");
    none(&channel("[test]", "name = 'x'\ninput = '''\nMSH|^~\\&|A\n'''\nack = 'AR'"), "text");
}

#[test]
fn rules_of_protection() {
    let mut next = 0u8;
    let mut entropy = |bytes: &mut [u8]| {
        for byte in bytes {
            next = next.wrapping_add(1);
            *byte = next;
        }
    };
    let keyring = weir::seal::Keyring::generate(&["ids"], &mut entropy);
    let config = format!("{CONFIG}[keys]\nkeyring = 'file:keyring'\n");
    let lines = |rules: &str, with: bool| {
        let text = format!("{CHANNEL}{rules}");
        let tree = Tree::new(&[("config.toml", &config), ("channels/adt.toml", &text)]);
        if with {
            tree.write("keyring", &keyring);
        }
        tree.lines(None)
    };
    let rule = |at: &str, rest: &str| format!("[[encrypt]]\nat = \"{at}\"\n{rest}\n");
    let seal = "as = 'seal'\nkey = 'ids'";
    none(&lines(&rule("PID-19", seal), true), "seal");
    none(&lines(&rule("PID-3[2].1", "as = 'token'\nkey = 'ids'"), true), "token");
    none(&lines(&rule("PID-5", "as = 'drop'"), true), "drop");
    code(&lines(&rule("PID-19", "as = 'seal'\nkey = 'idz'"), true), "W1047", "unknown key");
    code(&lines(&rule("PID-7", seal), true), "W5011", "typed field");
    code(&lines(&rule("MSH-10", seal), true), "W5010", "needed field");
    code(&lines(&rule("Patient.birthDate", seal), true), "W1058", "other form");
    let missing = lines(&rule("PID-19", seal), false);
    assert_eq!(missing.len(), 1, "asked for once: {missing:?}");
    code(&missing, "W1048", "no keyring");
}

#[test]
fn definitions_and_profiles_of_a_site() {
    let config = CONFIG.replace("[weir]\n", "[weir]\nhl7 = ['hl7/*.toml']\n");
    let channel = format!("{CHANNEL}[validate]\nprofile = 'hl7/profiles/lab.toml'\n");
    let check = |site: &str, profile: &str, expected: &[&str]| {
        let tree = Tree::new(&[("config.toml", &config), ("channels/adt.toml", &channel)]);
        tree.write("hl7/site.toml", site);
        tree.write("hl7/profiles/lab.toml", profile);
        tree.write("in.hl7", "MSH|^~\\&|A|B|C|D|20260102||ADT^A01|1|P|2.5\r");
        let mut lines = tree.lines(None);
        lines.retain(|line| !line.contains("W1048"));
        assert_eq!(lines.len(), expected.len(), "{site} {profile}: {lines:?}");
        for (line, expected) in lines.iter().zip(expected) {
            assert!(line.contains(expected), "{line} has no {expected}");
        }
    };
    let site = "[segment.ZLB]\nname = 'Lab'\nfields = ['Set ID:SI required', 'Bench:IS table=B']\n\
                [field.PID-18]\nusage = 'required'\nlength = 0\n\
                [table.B]\ncodes = { B1 = 'One' }\n[table.0001]\ncodes = { X = 'Diverse' }\n";
    let profile = "[profile]\nname = 'lab'\nversion = '3'\n[levels]\nvocabulary = 'note'\n\
                   [paths]\n'PID-13' = 'ignore'\n[[rule]]\nmust = 'PID-3 valued'\nmessage = 'x'\n";
    check(site, profile, &[]);
    check("[segment.LB]\nname = 'x'\nfields = []\n", profile, &["W1011"]);
    check("[segment.ZLB]\nname = 'x'\nfields = ['a:ST often']\n", profile, &["W1011"]);
    check("[field.PID]\nusage = 'required'\n", profile, &["W1011"]);
    check("[field.PID-1]\nusage = 'requried'\n", profile, &["W1011"]);
    check(site, "[profile]\nname = 'lab'\n[code]\nW2105 = 'ignore'\n", &["W1012"]);
    check(site, "[codes]\nW2999 = 'ignore'\n", &["hl7/profiles/lab.toml:2"]);
}

//! weir under a service manager and an operator's hands: notices to the manager, sockets it
//! holds, files that change, programs that give secrets.

#![allow(clippy::disallowed_methods, reason = "tests run real processes and sockets")]

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::{FILE_CHANNEL, exit};
use crate::support::free_address;
use crate::support::site::{Site, until, weir};

/// A process that is killed when the test ends.
struct Owned(Child);

impl Drop for Owned {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Owned {
    fn signal(&self, name: &str) {
        let pid = self.0.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }
}

/// What the manager heard until a word came.
fn heard(socket: &UnixDatagram, word: &str) -> String {
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut all = String::new();
    let mut text = [0; 1024];
    while !all.contains(word) {
        let length = socket.recv(&mut text).unwrap_or_else(|e| panic!("{e}: no {word} in\n{all}"));
        all.push_str(&String::from_utf8_lossy(&text[..length]));
        all.push('\n');
    }
    all
}

#[test]
fn the_service_manager_hears_of_every_turn_and_hands_over_its_sockets() {
    let site = Site::new();
    // The manager's socket: nothing else could listen on this address meanwhile.
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = held.local_addr().unwrap().to_string();
    site.file("channels/adt.toml", &FILE_CHANNEL.replace("LISTEN", &listen));
    let manager = UnixDatagram::bind(site.root().join("notify.sock")).unwrap();
    // `exec` keeps the process id that LISTEN_PID names.
    let script = "exec 3<&0 0</dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$WEIR\" run";
    let child = Command::new("sh")
        .args(["-c", script])
        .current_dir(site.root())
        .env("WEIR", env!("CARGO_BIN_EXE_weir"))
        .env("NOTIFY_SOCKET", site.root().join("notify.sock"))
        .env("WATCHDOG_USEC", "400000")
        .env_remove("WEIR_SITE")
        .stdin(Stdio::from(OwnedFd::from(held.try_clone().unwrap())))
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(site.root().join("log.jsonl")).unwrap())
        .spawn()
        .unwrap();
    let mut child = Owned(child);
    let said = heard(&manager, "READY=1");
    assert!(said.contains("STATUS=1 of 1 channels run"), "{said}\n{}", site.log());
    heard(&manager, "WATCHDOG=1");
    site.file("m.hl7", "MSH|^~\\&|A|B|C|D|20260101||ADT^A01|1|P|2.5.1\rPID|1||7\r");
    exit(&site, &["send", &format!("mllp://{listen}"), "m.hl7"], 0);
    child.signal("-HUP");
    let said = heard(&manager, "READY=1");
    assert!(said.contains("RELOADING=1\nMONOTONIC_USEC="), "{said}");
    child.signal("-TERM");
    heard(&manager, "STOPPING=1");
    assert!(child.0.wait().unwrap().success());
    // The manager still holds the socket: who connects now waits, and is not refused.
    assert!(std::net::TcpStream::connect(&listen).is_ok());
}

#[test]
fn files_that_change_are_read_again_where_that_is_wanted() {
    let site = Site::new();
    let path = site.root().join("config.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    site.file("config.toml", &config.replace("[weir]\n", "[weir]\nreload = \"watch\"\n"));
    let text = FILE_CHANNEL.replace("LISTEN", &free_address().to_string());
    site.file("channels/adt.toml", &text);
    let _server = site.start();
    // A new file in a directory that a pattern names.
    let lab = FILE_CHANNEL.replace("LISTEN", &free_address().to_string());
    site.file("channels/lab.toml", &lab.replace("\"adt\"", "\"lab\""));
    let channels = || site.json(&["channel", "ls"])["channels"].as_array().unwrap().len();
    until("the new channel", || channels() == 2);
    // A file that is wrong changes nothing, and is reported once.
    site.file("channels/lab.toml", "[channel\n");
    let metric = || site.http("/metrics");
    until("the refusal", || metric().contains("weir_config_last_reload_successful 0"));
    assert_eq!(channels(), 2);
    assert!(metric().contains("weir_config_reloads_total{result=\"refused\"} 1"));
    std::fs::remove_file(site.root().join("channels/lab.toml")).unwrap();
    until("the channel goes", || channels() == 1);
    assert!(metric().contains("weir_config_last_reload_successful 1"));
}

#[test]
fn a_reload_that_the_command_refuses_is_known_to_the_server() {
    let site = Site::new();
    let text = FILE_CHANNEL.replace("LISTEN", "127.0.0.1:0");
    site.file("channels/adt.toml", &text);
    let _server = site.start();
    let metric = |line: &str| assert!(site.http("/metrics").contains(line), "{line}");
    site.file("channels/adt.toml", &text.replace("[source]", "[sauce]"));
    // A plan asks what would be, so nothing was refused.
    exit(&site, &["reload", "--plan"], 78);
    metric("weir_config_last_reload_successful 1");
    let (out, said) = exit(&site, &["reload"], 78);
    assert!(out.is_empty() && said.contains("channels/adt.toml"), "{out}{said}");
    metric("weir_config_last_reload_successful 0");
    metric("weir_config_reloads_total{result=\"refused\"} 1");
    let (out, _) = exit(&site, &["reload", "--json"], 78);
    let value: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(value["applied"], false, "{value}");
    assert!(site.log().contains("config_refused"), "{}", site.log());
    site.file("channels/adt.toml", &text);
    exit(&site, &["reload"], 0);
    metric("weir_config_last_reload_successful 1");
}

#[test]
fn a_program_that_is_listed_gives_the_keyring() {
    let site = Site::new();
    let path = site.root().join("config.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    let config = config.replace("file:keys/keyring.toml", "exec:vault");
    site.file("channels/adt.toml", &FILE_CHANNEL.replace("LISTEN", "127.0.0.1:0"));
    site.file("config.toml", &config);
    let (_, said) = exit(&site, &["run"], 1);
    assert!(said.contains("W7504"), "{said}");
    let vault = "[exec.vault]\nargv = [\"cat\", \"keys/keyring.toml\"]\ntimeout = \"2s\"\n";
    site.file("config.toml", &(config + vault));
    exit(&site, &["check"], 0);
    let server = site.start();
    let text = site.http("/metrics");
    assert!(text.contains("weir_http_requests_total{route=\"/api/v1/status\""), "{text}");
    assert!(server.stop().success());
}

#[test]
fn alerts_are_listed_taken_up_muted_and_tried() {
    let site = Site::new();
    let path = site.root().join("config.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    let more = "[exec.page]\nargv = [\"sh\", \"-c\", \"cat > page.json\"]\n[notify.desk]\n\
                type = \"exec\"\nprogram = \"page\"\n[[alert]]\nname = \"old\"\n\
                when = \"queue.oldest > 5m\"\nnotify = [\"desk\"]\n";
    site.file("config.toml", &(config + more));
    site.file("channels/adt.toml", &FILE_CHANNEL.replace("LISTEN", "127.0.0.1:0"));
    let _server = site.start();
    let (out, _) = exit(&site, &["alert", "ls"], 0);
    assert!(out.contains("old") && out.contains("quiet") && out.contains("queue.oldest > 5m"));
    exit(&site, &["alert", "ack", "old"], 6);
    let (_, said) = exit(&site, &["alert", "ack", "odl"], 6);
    assert!(said.contains("W1060") && said.contains("did you mean `old`"), "{said}");
    let (out, _) = exit(&site, &["alert", "mute", "old", "30m"], 0);
    assert!(out.contains("muted until"), "{out}");
    let (out, _) = exit(&site, &["alert", "ls", "--json"], 0);
    let value: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert!(value["alerts"][0]["muted_until"].is_string(), "{value}");
    let (out, _) = exit(&site, &["alert", "test", "old"], 0);
    assert!(out.contains("desk: sent"), "{out}");
    let page = std::fs::read_to_string(site.root().join("page.json")).unwrap();
    let page: serde_json::Value = serde_json::from_str(&page).unwrap();
    assert_eq!((&page["kind"], &page["alert"]), (&"test".into(), &"old".into()), "{page}");
}

#[test]
fn every_command_is_completed_and_has_a_page() {
    let site = Site::new();
    // Names of the commands below one, as its help lists them.
    fn below(site: &Site, path: &[&str]) -> Vec<String> {
        let mut arguments = path.to_vec();
        arguments.push("--help");
        let done = weir(site.root(), &arguments).output().unwrap();
        let text = String::from_utf8_lossy(&done.stdout).into_owned();
        let Some((_, list)) = text.split_once("Commands:\n") else { return Vec::new() };
        let lines = list.lines().take_while(|line| line.starts_with("  "));
        let name = |line: &str| Some(line.strip_prefix("  ")?.split(' ').next()?.to_owned());
        lines.filter_map(name).filter(|name| !name.is_empty() && name != "help").collect()
    }
    let (manual, _) = exit(&site, &["man"], 0);
    let scripts: Vec<String> = ["bash", "zsh", "fish"]
        .iter()
        .map(|shell| exit(&site, &["completion", shell], 0).0)
        .collect();
    let commands = below(&site, &[]);
    assert!(commands.len() > 20 && commands.iter().any(|c| c == "alert"), "{commands:?}");
    for command in &commands {
        let nested = below(&site, &[command]);
        let titles = std::iter::once(format!("weir-{command}"))
            .chain(nested.iter().map(|sub| format!("weir-{command}-{sub}")));
        for title in titles {
            assert!(manual.contains(&format!(".TH {title} ")), "no page {title}");
        }
        for script in &scripts {
            assert!(script.contains(command.as_str()), "{command}");
            assert!(nested.iter().all(|sub| script.contains(sub.as_str())), "{nested:?}");
        }
    }
    let (out, _) = exit(&site, &["errors", "--json"], 0);
    let value: serde_json::Value = serde_json::from_str(&out).unwrap();
    let listed = value["errors"].as_array().unwrap();
    assert_eq!(listed.len(), weir::fault::codes::all().count());
    for row in listed {
        for part in ["code", "phrase", "why", "remedy"] {
            assert!(!row[part].as_str().unwrap().is_empty(), "{row}");
        }
    }
}

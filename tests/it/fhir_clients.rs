//! FHIR clients of others, unchanged, against the endpoint of a running channel with its
//! record store. `tests/fetch` brings them; passes without.

use std::path::Path;
use std::process::Command;

use super::support::site::Site;
use super::support::{fetched, free_address};

/// A site with one channel from a FHIR endpoint to the record store, and its base.
fn site() -> (Site, String) {
    let (site, listen) = (Site::new(), free_address());
    let channel = format!(
        "[channel]\nname = \"records\"\n\
         [source]\ntype = \"fhir\"\nlisten = \"{listen}\"\npath = \"/fhir\"\n\
         reply = \"after-delivery\"\n\
         [validate]\non_fail = \"nak\"\n\
         [consent]\npolicy = \"none\"\nwhy = \"synthetic input\"\n\
         [destination.store]\ntype = \"records\"\n\
         recipient = \"Organization/here\"\npurpose = \"TREAT\"\n"
    );
    site.file("channels/records.toml", &channel);
    (site, format!("http://{listen}/fhir"))
}

/// Runs a client's script to its end against a channel of its own.
fn run(program: &Path, script: &str) {
    let (site, base) = site();
    let running = site.start();
    let done = Command::new(program).arg(script).arg(base).output().unwrap();
    let out = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{out}\n{}", String::from_utf8_lossy(&done.stderr));
    assert!(out.lines().count() > 5 && out.lines().all(|line| line.starts_with("ok ")), "{out}");
    assert!(running.stop().success());
}

/// Runs a script for Node.js beside the packages it imports.
fn run_javascript(name: &str) {
    let Some(home) = fetched("clients").filter(|home| home.join(".complete").exists()) else {
        return;
    };
    // Packages are looked up in the folders above the file that imports them.
    let folder = tempfile::tempdir_in(home).unwrap();
    for script in ["steps.mjs", name] {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(script);
        std::fs::copy(from, folder.path().join(script)).unwrap();
    }
    run(Path::new("node"), &folder.path().join(name).to_string_lossy());
}

#[test]
fn medplum_works_unchanged() {
    run_javascript("medplum.mjs");
}

#[test]
fn fhir_kit_client_works_unchanged() {
    run_javascript("fhir-kit.mjs");
}

#[test]
fn fhirpy_and_fhirclient_work_unchanged() {
    let Some(python) = fetched("python/bin/python") else { return };
    if fetched("python/requirements.txt").is_none() {
        return;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/python.py");
    run(&python, &script.to_string_lossy());
}

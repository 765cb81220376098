//! The destination `fhir` against a server that is not ours: Medplum's router and store,
//! where `tests/fetch` brought them.

#![allow(clippy::disallowed_methods, reason = "tests run a real server")]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use weir::base::{ChannelName, DestinationName, MessageId, Timestamp};
use weir::destination::{
    Auth, BatchPlan, Destination, DestinationPlan, FhirPlan, OnConflict, Outlook,
};
use weir::message::{Body, ContentKind, Delivery, LaneKey, Receipt, Revision};
use weir::ports::{Ports, http::Url};
use weir::settings::SecretRef;

use super::support::fetched;
use super::support::site::Site;

/// The server; ended when dropped.
pub struct Server {
    child: Child,
    pub url: String,
}

impl Server {
    /// Starts it; none where it was not fetched.
    pub fn start(token: Option<&str>) -> Option<Self> {
        let home = fetched("clients")?;
        fetched("clients/node_modules/@medplum/fhir-router")?;
        // Modules are looked for where the script lies.
        let script = home.join(format!("server-{}.mjs", std::process::id()));
        std::fs::write(&script, include_str!("../clients/server.mjs")).unwrap();
        let mut command = Command::new("node");
        command.arg(&script).stdout(Stdio::piped()).stderr(Stdio::null());
        if let Some(token) = token {
            command.env("TOKEN", token);
        }
        let mut child = command.spawn().ok()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take()?).read_line(&mut line).unwrap();
        let _ = std::fs::remove_file(&script);
        let url = line.trim().to_owned();
        assert!(url.starts_with("http://127.0.0.1:"), "the server did not start");
        Some(Self { child, url })
    }

    fn plan(&self) -> FhirPlan {
        FhirPlan::new(Url::parse(&self.url).unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn delivery(body: &str, message_type: &str) -> Delivery {
    let received = Timestamp::from_millis(1_767_323_045_678);
    let bytes = bytes::Bytes::copy_from_slice(body.as_bytes());
    let body = Body { kind: ContentKind::FhirJson, bytes };
    Delivery {
        message: MessageId::new(received, 7),
        channel: ChannelName::parse("in").unwrap(),
        destination: DestinationName::parse("out").unwrap(),
        lane: LaneKey(0),
        position: 1,
        attempts: 0,
        received,
        next_try: received,
        replay: false,
        revision: Revision("r1".into()),
        original: body.clone(),
        body,
        message_type: message_type.into(),
    }
}

/// Delivers; the status, and what was said.
async fn deliver(way: &mut dyn Destination, body: &str, message_type: &str) -> (u16, String) {
    match way.deliver(&delivery(body, message_type)).await {
        Ok(done) => {
            let Receipt::Http { status, .. } = done.receipt else { panic!("another receipt") };
            let said = done.said.unwrap();
            (status, said.location.or(said.etag).as_deref().unwrap_or_default().to_owned())
        }
        Err(error) => {
            let status = error.said.as_ref().map_or(0, |said| said.status);
            (status, error.fault.code().as_str().to_owned())
        }
    }
}

fn lone(request: &str, resource: &str) -> String {
    format!(
        r#"{{"resourceType":"Bundle","type":"transaction","entry":[{{{resource}"request":{request}}}]}}"#
    )
}

#[tokio::test]
async fn another_ones_server_takes_every_interaction() {
    let Some(server) = Server::start(None) else { return };
    let plan = server.plan();
    let mut way = DestinationPlan::Fhir(plan.clone()).build(&Ports::system());
    let way = &mut *way;
    let patient = r#"{"resourceType":"Patient","identifier":[{"system":"urn:a","value":"1"}]}"#;
    let (status, first) = deliver(way, patient, "create:Patient").await;
    assert_eq!(status, 201);
    // The same again, as after a lost answer: nothing is written twice.
    assert_eq!(deliver(way, patient, "create:Patient").await, (200, first));

    let known = r#"{"resourceType":"Patient","id":"p1","active":true}"#;
    assert_eq!(deliver(way, known, "update:Patient").await.0, 200);
    let resource = format!(r#""resource":{known},"#);
    let put = r#"{"method":"PUT","url":"Patient/p1","ifMatch":"W/\"no-such-version\""}"#;
    let found = deliver(way, &lone(put, &resource), "update:Patient").await;
    assert_eq!(found, (412, "W7102".to_owned()));
    let put = r#"{"method":"PUT","url":"Patient?identifier=urn%3Aa%7C1"}"#;
    let other = r#""resource":{"resourceType":"Patient","gender":"female"},"#;
    assert_eq!(deliver(way, &lone(put, other), "update:Patient").await.0, 200);

    let data = "W3sib3AiOiJyZXBsYWNlIiwicGF0aCI6Ii9hY3RpdmUiLCJ2YWx1ZSI6ZmFsc2V9XQ==";
    let patch = format!(
        r#""resource":{{"resourceType":"Binary","contentType":"application/json-patch+json","data":"{data}"}},"#
    );
    let to = r#"{"method":"PATCH","url":"Patient/p1"}"#;
    assert_eq!(deliver(way, &lone(to, &patch), "patch:Patient").await.0, 200);

    let bundle = r#"{"resourceType":"Bundle","type":"transaction","entry":[
        {"fullUrl":"urn:uuid:4c8a2a7c-2b0c-4a5c-9b57-8ad9f7e2c111",
         "resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Patient"}},
        {"resource":{"resourceType":"Observation","status":"final","code":{"text":"x"},
         "subject":{"reference":"urn:uuid:4c8a2a7c-2b0c-4a5c-9b57-8ad9f7e2c111"}},
         "request":{"method":"POST","url":"Observation"}}]}"#;
    assert_eq!(deliver(way, bundle, "transaction:Observation").await.0, 200);

    let delete = r#"{"method":"DELETE","url":"Patient/p1"}"#;
    assert_eq!(deliver(way, &lone(delete, ""), "delete:Patient").await.0, 200);
    let found = deliver(way, &lone(to, &patch), "patch:Patient").await;
    assert!(matches!(found.0, 404 | 410) && found.1 == "W7102", "{found:?}");

    // Over the current version where settings say so; this server never asks for it.
    let plan = FhirPlan { on_conflict: OnConflict::Reread, ..plan };
    let mut way = DestinationPlan::Fhir(plan).build(&Ports::system());
    assert_eq!(deliver(&mut *way, known, "update:Patient").await.0, 200);
}

#[tokio::test]
async fn a_server_is_asked_before_the_first_message() {
    let Some(server) = Server::start(Some("right")) else { return };
    let site = Site::new();
    let outlook = Outlook {
        system: vec!["transaction"],
        types: vec![("create", Arc::from("Patient")), ("update", Arc::from("Device"))],
    };
    let mut told = Vec::new();
    for token in ["wrong", "right"] {
        let path = site.root().join(token);
        std::fs::write(&path, token).unwrap();
        let auth = Auth::Bearer(SecretRef::File(path.display().to_string()));
        let plan = DestinationPlan::Fhir(FhirPlan { auth, ..server.plan() });
        let ports = Ports::system();
        let problems = plan.build(&ports).probe(&ports, &outlook).await;
        let codes = problems.iter().map(|problem| problem.fault.code().as_str().to_owned());
        told.push(codes.collect::<Vec<_>>());
    }
    assert_eq!(told, [vec!["W7301"], vec!["W7223"]]);

    let url = &server.url;
    site.file(
        "channels/in.toml",
        &format!(
            "[channel]\nname = \"in\"\n[source]\ntype = \"file\"\ndir = \"drop\"\n\
             split = \"ndjson\"\nthen = {{ move = \"done\" }}\naccept = [\"create:Device\", \"create:Patient\"]\n\
             [consent]\npolicy = \"none\"\nwhy = \"synthetic input\"\n\
             [destination.out]\ntype = \"fhir\"\nurl = \"{url}\"\nrecipient = \"Organization/out\"\n\
             purpose = \"TREAT\"\nauth = {{ type = \"bearer\", token = \"file:right\" }}\n"
        ),
    );
    std::fs::create_dir_all(site.root().join("drop")).unwrap();
    let done = site.run(&["check", "--online", "--json"]);
    let out = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success(), "{out}");
    assert!(out.contains("W7223") && out.contains("the type Device"), "{out}");
    assert!(!out.contains("the type Patient"), "{out}");
}

#[tokio::test]
async fn another_ones_server_takes_what_leaves_together() {
    let Some(server) = Server::start(None) else { return };
    let batch = BatchPlan { max: 50, wait: std::time::Duration::from_millis(500) };
    let plan = DestinationPlan::Fhir(FhirPlan { batch: Some(batch), ..server.plan() });
    let ports = Ports::system();
    let mut lanes: Vec<_> = (0..4).map(|_| plan.build(&ports)).collect();
    let [one, two, three, four] = &mut lanes[..] else { panic!() };
    let created = r#"{"resourceType":"Patient","identifier":[{"system":"urn:b","value":"1"}]}"#;
    let known = r#"{"resourceType":"Patient","id":"b1","active":true}"#;
    let resource = r#""resource":{"resourceType":"Patient","id":"b2"},"#;
    let put = r#"{"method":"PUT","url":"Patient/b2","ifMatch":"W/\"no-such-version\""}"#;
    let stale = lone(put, resource);
    let wrong = r#"{"resourceType":"Patient","id":"b3","gender":"none of these"}"#;
    let (one, two, three, four) = tokio::join!(
        deliver(&mut **one, created, "create:Patient"),
        deliver(&mut **two, known, "update:Patient"),
        deliver(&mut **three, &stale, "update:Patient"),
        deliver(&mut **four, wrong, "update:Patient"),
    );
    assert_eq!((one.0, two.0 / 100), (201, 2), "{one:?} {two:?}");
    assert!(one.1.starts_with("Patient/"), "{one:?}");
    assert!(matches!(three.0, 404 | 412) && three.1 == "W7102", "{three:?}");
    assert!(four.0 / 100 == 2 || four.1 == "W7102", "{four:?}");
}

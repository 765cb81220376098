//! From a sender through weir to a FHIR server that is not ours: the sender hears what that
//! server says. Where `tests/fetch` brought the server.

use super::*;
use crate::foreign::Server;

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_hears_what_the_server_behind_weir_says() {
    let Some(server) = Server::start(None) else { return };
    let endpoint = Endpoint::start(
        "reply = \"after-delivery\"\n\
         accept = [\"create\", \"update\", \"patch\", \"delete\", \"transaction\"]",
        &format!("type = \"fhir\"\nurl = \"{}\"", server.url),
    );
    let patient = r#"{"resourceType":"Patient","id":"p1","active":true}"#;
    let told = endpoint.json("PUT /Patient/p1", patient).await;
    assert_eq!(told.status, 200, "{}", told.body);
    let first = told.header("etag").unwrap().to_owned();
    let stale = [JSON, ("if-match", "W/\"none-of-these\"")];
    let told = endpoint.send("PUT /Patient/p1", &stale, patient.to_owned()).await;
    assert_eq!(told.status, 412, "{}", told.body);
    let current = [JSON, ("if-match", first.as_str())];
    let told = endpoint.send("PUT /Patient/p1", &current, patient.to_owned()).await;
    assert_eq!(told.status, 200, "{}", told.body);
    let patch = r#"[{"op":"replace","path":"/active","value":false}]"#;
    let kind = [("content-type", "application/json-patch+json")];
    let told = endpoint.send("PATCH /Patient/p1", &kind, patch.to_owned()).await;
    assert_eq!(told.status, 200, "{}", told.body);
    let told = endpoint.json("POST /Patient", r#"{"resourceType":"Patient"}"#).await;
    assert_eq!(told.status, 201, "{}", told.body);
    let bundle = r#"{"resourceType":"Bundle","type":"transaction","entry":[
        {"resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Patient"}}]}"#;
    let told = endpoint.json("POST ", bundle).await;
    assert_eq!((told.status, told.at("/type").as_str()), (200, "transaction-response"));
    let told = endpoint.send("DELETE /Patient/p1", &[], "").await;
    assert!(matches!(told.status, 200 | 204), "{} {}", told.status, told.body);
    // Who heard that it was refused has it still: no dead letter.
    let ledger = endpoint.ledger();
    assert!(!ledger.contains(" dead"), "{ledger}");
    endpoint.stop();
}

//! Subscriptions: registered, kept in force, notified, and what was missed fetched.

use bytes::Bytes;
use serde_json::{Value, json};
use weir::ports::SystemNet;
use weir::ports::http::{Answer, Call, Client, Url};

use super::*;
use crate::support::free_address;

/// What the server has.
#[derive(Default)]
struct Has {
    subscription: Option<Value>,
    resources: Vec<Value>,
    /// Where the `next` of a page leads, instead of to the server itself.
    next: Option<String>,
}

impl Has {
    fn say(&mut self, server: &Foreign, seen: &Seen) -> Said {
        let json = |status, body: &Value| Said::new(status, body.to_string());
        match (seen.method.as_str(), seen.path.as_str()) {
            ("POST", "/r4/Subscription") => {
                let mut body: Value = serde_json::from_str(&seen.body).unwrap();
                body["id"] = json!("s1");
                body["status"] = json!("active");
                self.subscription = Some(body.clone());
                json(201, &body)
            }
            ("PUT", "/r4/Subscription/s1") => {
                let mut body: Value = serde_json::from_str(&seen.body).unwrap();
                body["status"] = json!("active");
                self.subscription = Some(body.clone());
                json(200, &body)
            }
            ("GET", "/r4/Subscription/s1") => match &self.subscription {
                Some(found) => json(200, found),
                None => Said::new(404, ""),
            },
            ("GET", path) if path.starts_with("/r4/Observation?code=x&") => self.page(server, path),
            _ => Said::new(400, ""),
        }
    }

    /// A page of one resource.
    fn page(&self, server: &Foreign, path: &str) -> Said {
        let value = |name: &str| {
            let (_, rest) = path.split_once(&format!("{name}="))?;
            Some(rest.split('&').next().unwrap().replace("%3A", ":"))
        };
        let since = value("_lastUpdated").unwrap();
        let since = since.strip_prefix("ge").unwrap();
        let at: usize = value("page").map_or(0, |text| text.parse().unwrap());
        let fits = |found: &&Value| found["meta"]["lastUpdated"].as_str().unwrap() >= since;
        let found: Vec<&Value> = self.resources.iter().filter(fits).collect();
        let entries: Vec<Value> = found
            .get(at)
            .map(|one| json!({"resource": one, "search": {"mode": "match"}}))
            .into_iter()
            .collect();
        let mut bundle = json!({"resourceType": "Bundle", "type": "searchset", "entry": entries});
        if at + 1 < found.len() {
            let own = path.split("&page=").next().unwrap();
            let next = format!("{}{own}&page={}", server.url, at + 1);
            let next = self.next.clone().unwrap_or(next);
            bundle["link"] = json!([{"relation": "next", "url": next}]);
        }
        Said::new(200, bundle.to_string())
    }
}

fn observation(id: &str, version: u32) -> Value {
    json!({
        "resourceType": "Observation", "id": id, "status": "final",
        "meta": {"versionId": version.to_string(), "lastUpdated": "2099-01-01T00:00:00Z"},
        "code": {"text": "Zzsecretname"},
    })
}

/// A server, a channel that subscribes at it, and how to notify that.
struct Stage {
    server: Foreign,
    has: Arc<Mutex<Has>>,
    site: Site,
    notify: String,
}

impl Stage {
    async fn new(source: &str) -> Self {
        let has: Arc<Mutex<Has>> = Arc::default();
        let own = has.clone();
        let server =
            Foreign::start(move |server, seen| own.lock().unwrap().say(server, seen)).await;
        let (site, listen) = (Site::new(), free_address());
        let notify = format!("http://{listen}/notify");
        channel(
            &site,
            &format!(
                "type = \"fhir-subscription\"\nurl = \"{}/r4\"\ncriteria = \"Observation?code=x\"\n\
                 endpoint = \"{notify}\"\nlisten = \"{listen}\"\nevery = \"1s\"\n\
                 since = \"2026-01-01\"\n{source}",
                server.url
            ),
        );
        Self { server, has, site, notify }
    }

    fn add(&self, resource: Value) {
        self.has.lock().unwrap().resources.push(resource);
    }

    /// The header that the server was told to show.
    async fn header(&self) -> String {
        until(&self.site, "it is registered", || self.has.lock().unwrap().subscription.is_some())
            .await;
        let has = self.has.lock().unwrap();
        let header = &has.subscription.as_ref().unwrap()["channel"]["header"][0];
        header.as_str().unwrap().strip_prefix("Authorization: ").unwrap().to_owned()
    }

    async fn send(&self, line: &str, header: &str, body: &str) -> Answer {
        let (method, below) = line.split_once(' ').unwrap();
        let url = Url::parse(&self.notify).unwrap();
        let path = format!("{}{below}", url.path);
        let mut client = Client::new(url, None, 1 << 20).unwrap();
        let headers = vec![
            ("authorization".parse().unwrap(), header.parse().unwrap()),
            ("content-type".parse().unwrap(), "application/fhir+json".parse().unwrap()),
        ];
        let body = Bytes::copy_from_slice(body.as_bytes());
        let call = Call { method: method.parse().unwrap(), path, headers, body };
        client.send(&SystemNet, call).await.unwrap()
    }

    async fn files(&self, count: usize) -> String {
        until(&self.site, "messages arrive", || files(&self.site).len() >= count).await;
        let found = files(&self.site);
        assert_eq!(found.len(), count, "{found:?}");
        found.join("\n")
    }

    /// Waits until the server was looked at from now on.
    async fn looked(&self) {
        let count = || self.server.seen("GET /r4/Observation?").len();
        let before = count();
        until(&self.site, "two looks", || count() >= before + 2 * 4).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn notifications_are_taken_and_what_was_missed_is_fetched() {
    let stage = Stage::new("").await;
    for id in ["o1", "o2", "o3"] {
        stage.add(observation(id, 1));
    }
    let running = stage.site.start();
    let header = stage.header().await;
    let taken = stage.files(3).await;
    assert!(["\"o1\"", "\"o2\"", "\"o3\""].iter().all(|id| taken.contains(id)), "{taken}");
    let body = stage.has.lock().unwrap().subscription.clone().unwrap();
    assert_eq!(body["criteria"], "Observation?code=x");
    assert_eq!(body["channel"]["type"], "rest-hook");
    assert_eq!(body["channel"]["endpoint"], stage.notify);
    assert_eq!(body["channel"]["payload"], "application/fhir+json");
    assert!(body["end"].is_string());

    // A notification, and the same version in the next look.
    let new = observation("o4", 1);
    let told = stage.send("PUT /Observation/o4", &header, &new.to_string()).await;
    assert_eq!(told.status, 200);
    stage.add(new);
    stage.files(4).await;
    stage.looked().await;
    stage.files(4).await;
    // By POST, too; another version is another message.
    let told = stage.send("POST ", &header, &observation("o4", 2).to_string()).await;
    assert_eq!(told.status, 200);
    let told = stage.send("DELETE /Observation/o1", &header, "").await;
    assert_eq!(told.status, 200);
    let taken = stage.files(6).await;
    assert!(taken.contains("\"DELETE\"") && taken.contains("Observation/o1"), "{taken}");

    // What is none is refused.
    let text = observation("o5", 1).to_string();
    for (line, header, body, status) in [
        ("PUT /Observation/o5", "Bearer wrong", text.as_str(), 401),
        ("PUT /Observation/o5", "", text.as_str(), 401),
        ("POST ", "Bearer wrong", "", 401),
        ("PUT /Observation/other", &header, text.as_str(), 400),
        ("POST ", &header, "{\"resourceType\":\"Patient\",\"id\":\"p\"}", 422),
        ("POST ", &header, "<Zzsecretname", 400),
        ("GET /metadata", &header, "", 405),
        ("DELETE /Patient/p", &header, "", 404),
    ] {
        assert_eq!(stage.send(line, header, body).await.status, status, "{line} {body}");
    }
    assert!(running.stop().success());
    stage.files(6).await;
    let log = stage.site.log();
    assert!(log.contains("W2392") && log.contains("W2393"), "{log}");
    assert!(!log.contains("Zzsecret") && !log.contains(header.trim_start_matches("Bearer ")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_that_lapsed_is_registered_again() {
    let stage = Stage::new("").await;
    let running = stage.site.start();
    let header = stage.header().await;
    // Switched off, changed, and gone: each time what was missed is fetched.
    let lapse = [("`error`", json!("error"), "o1"), ("`off`", json!("off"), "o2")];
    for (at, (told, status, id)) in lapse.into_iter().enumerate() {
        stage.add(observation(id, 1));
        stage.has.lock().unwrap().subscription.as_mut().unwrap()["status"] = status;
        until(&stage.site, told, || stage.site.log().contains(told)).await;
        stage.files(at + 1).await;
        assert_eq!(stage.header().await, header, "the secret stays");
    }
    stage.has.lock().unwrap().subscription.as_mut().unwrap()["criteria"] = json!("Patient");
    until(&stage.site, "changed", || stage.site.log().contains("someone changed it")).await;
    {
        let mut has = stage.has.lock().unwrap();
        has.subscription = None;
        has.resources.push(observation("o3", 1));
    }
    until(&stage.site, "gone", || stage.site.log().contains("does not have it any more")).await;
    stage.files(3).await;
    until(&stage.site, "two", || stage.server.seen("POST /r4/Subscription").len() == 2).await;
    let posted = stage.server.seen("POST /r4/Subscription");
    assert!(posted[0].header("if-none-exist").starts_with("url=http%3A%2F%2F127.0.0.1"));
    assert!(running.stop().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_payload_the_change_is_on_disk_before_the_answer() {
    let stage = Stage::new("payload = false").await;
    // Nothing but the first look and notifications fetch.
    let text = std::fs::read_to_string(stage.site.root().join("channels/in.toml")).unwrap();
    stage.site.file("channels/in.toml", &text.replace("every = \"1s\"", "every = \"1h\""));
    let mut running = stage.site.start();
    let header = stage.header().await;
    assert!(
        stage.has.lock().unwrap().subscription.as_ref().unwrap()["channel"]["payload"].is_null()
    );
    stage.add(observation("o1", 1));
    stage.add(observation("o2", 1));
    assert_eq!(stage.send("POST ", &header, "").await.status, 200);
    let ledger = stage.site.json(&["ledger"]);
    let total = &ledger["total"];
    let kept: u64 = ["waiting", "delivered", "sending"]
        .iter()
        .map(|state| total[*state].as_u64().unwrap_or(0))
        .sum();
    assert_eq!(kept, 2, "{ledger}");
    stage.files(2).await;
    // A crash, and a change that nobody was there to hear of.
    running.kill();
    drop(running);
    stage.add(observation("o3", 1));
    let running = stage.site.start();
    stage.files(3).await;
    assert_eq!(stage.header().await, header);
    assert_eq!(stage.server.seen("POST /r4/Subscription").len(), 1);
    // A page that leads elsewhere is not followed, and the notification is not answered well.
    let other = Foreign::start(|_, _| Said::new(200, "{}")).await;
    stage.has.lock().unwrap().next = Some(format!("{}/r4/Observation?page=2", other.url));
    assert_eq!(stage.send("POST ", &header, "").await.status, 503);
    assert!(stage.site.log().contains("W2395") && other.seen("").is_empty());
    assert!(running.stop().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_takes_no_subscription_is_told_of() {
    let outcome = "{\"resourceType\":\"OperationOutcome\",\"issue\":[{\"severity\":\"error\",\
         \"code\":\"not-supported\",\"diagnostics\":\"Zzsecretname\"}]}";
    for (status, text) in [(403, "403 not-supported"), (422, "W2390"), (500, "W2394")] {
        let server = Foreign::start(move |_, _| Said::new(status, outcome)).await;
        let (site, listen) = (Site::new(), free_address());
        channel(
            &site,
            &format!(
                "type = \"fhir-subscription\"\nurl = \"{}\"\ncriteria = \"Patient\"\n\
                 endpoint = \"http://{listen}\"\nlisten = \"{listen}\"",
                server.url
            ),
        );
        let running = site.start();
        until(&site, text, || site.log().contains(text)).await;
        assert!(running.stop().success());
        assert!(!site.log().contains("Zzsecret"));
    }
}

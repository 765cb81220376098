//! Reads, searches and histories, served from the record store. Each one that shows patient
//! data leaves its line in the audit log first.

use std::sync::Arc;

use hyper::header::{ALLOW, ETAG, LAST_MODIFIED};
use sha2::{Digest as _, Sha256};

use super::answer::{Answered, Reply};
use super::metadata;
use super::route::{Call, Endpoint};
use crate::audit::{self, Action};
use crate::base::Timestamp;
use crate::fault::codes::{W2334, W2337, W2338, W7611, W9002};
use crate::fault::{Class, Fault, Place};
use crate::fhir::rest::{self, Id, Interaction, Kind, Query, Refused};
use crate::fhir::smart::{Permission, Reach};
use crate::fhir::{Builder, Doc};
use crate::message::Leaf;
use crate::records::{self, Reader, Scope, Search, Version};

/// What was found: an answer, and the addresses of the versions it shows.
struct Shown {
    reply: Reply,
    versions: Vec<String>,
}

/// What a read works with off the connection's task: reading may block.
struct Look {
    reader: Arc<dyn Reader>,
    base: String,
    /// The base below which an absolute reference is one of ours: never what a header says.
    own: String,
    strict: bool,
    now: Timestamp,
    client: super::auth::Client,
}

impl Endpoint {
    /// Serves a read, search or history.
    pub(super) async fn read(&self, call: &Call, interaction: &Interaction) -> Answered {
        let look = self.look(call, interaction.kind())?;
        let asked = interaction.clone();
        let shown = blocking(move || look.show(&asked)).await??;
        self.testify(call, interaction, &shown.versions).await?;
        Ok(shown.reply)
    }

    /// Serves a batch that asks for reads only.
    pub(super) async fn read_batch(&self, call: &Call, batch: &Doc) -> Answered {
        let look = self.look(call, None)?;
        let asks: Vec<_> = rest::entries(batch.root()).map(|entry| entry.asks).collect();
        let entries = blocking(move || {
            let show = |asks: Result<Interaction, Refused>| {
                let asks = asks.map_err(Box::<Reply>::from)?;
                if let Interaction::Capabilities = asks {
                    let fault = Fault::new(W2334).because("ask for `metadata` by itself");
                    return Err(Reply::refusal(405, fault));
                }
                look.show(&asks)
            };
            asks.into_iter().map(show).collect::<Vec<_>>()
        });
        let entries = entries.await?;
        let versions: Vec<String> =
            entries.iter().flatten().flat_map(|shown| shown.versions.iter().cloned()).collect();
        self.testify(call, &Interaction::Bundle, &versions).await?;
        let mut out = Builder::new();
        out.start_object().member("resourceType", "Bundle").member("type", "batch-response");
        out.name("entry").start_array();
        for shown in entries {
            let (reply, fine) = match shown {
                Ok(shown) => (shown.reply, true),
                Err(refusal) => (*refusal, false),
            };
            entry(&mut out, &reply, fine);
        }
        out.end_array().end_object();
        Ok(Reply::doc(200, &out.finish()))
    }

    fn look(&self, call: &Call, kind: Option<Kind>) -> Result<Look, Box<Reply>> {
        let Some(reader) = self.reader() else {
            let allow = metadata::allow(self, kind.unwrap_or("Bundle"));
            return Err(Box::new(Reply::outcome(405, &[Fault::new(W2334)]).with(ALLOW, &allow)));
        };
        Ok(Look {
            reader,
            base: call.base.clone(),
            own: self.plan.public_url.as_ref().map(ToString::to_string).unwrap_or_default(),
            strict: call.prefer.strict == Some(true),
            now: self.clock.now(),
            client: call.client.clone(),
        })
    }

    /// Writes down who saw what, before they see it.
    pub(super) async fn testify(
        &self,
        call: &Call,
        interaction: &Interaction,
        versions: &[String],
    ) -> Result<(), Box<Reply>> {
        if versions.is_empty() {
            return Ok(());
        }
        let kind = interaction.kind().unwrap_or("all types");
        let seen = format!("{} {kind}: {} versions", interaction.code(), versions.len());
        let digest: [u8; 32] = Sha256::digest(versions.join("\n")).into();
        let who = match (call.client.name(), &call.peer.subject) {
            (_, Some(subject)) => subject.to_string(),
            (name, None) => name.to_owned(),
        };
        let leaf = Leaf {
            decision: Some(seen.into()),
            digest: Some(digest),
            ..audit::action_done(Action::RecordsRead, self.clock.now(), &who)
        };
        let noted = self.intake.testify(vec![leaf]).await;
        noted.map_err(|fault| Reply::refusal(503, fault))
    }
}

/// Reads where they may block.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Box<Reply>> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| Reply::refusal(500, Fault::new(W9002).because("while reading records")))
}

/// A fault of the record store as an answer.
pub(super) fn failed(fault: Fault) -> Box<Reply> {
    let status = match fault.class() {
        Class::Permanent => 400,
        Class::Transient | Class::Operator => 503,
        Class::Bug => 500,
    };
    Reply::refusal(status, fault)
}

impl Look {
    fn show(&self, interaction: &Interaction) -> Result<Shown, Box<Reply>> {
        match interaction {
            Interaction::Read { kind, id, .. } => {
                let found = self.reader.read(kind, id.as_str()).map_err(failed)?;
                self.one(interaction, found)
            }
            Interaction::Vread { kind, id, version } => {
                // Versions of ours are numbers; any other text names none.
                let found = match version.as_str().parse() {
                    Ok(number) => self.reader.vread(kind, id.as_str(), number).map_err(failed)?,
                    Err(_) => None,
                };
                self.one(interaction, found)
            }
            Interaction::Search { kind, compartment, query } => {
                self.search(*kind, compartment.as_ref(), query)
            }
            Interaction::Operation { kind: Some(kind), id: Some(id), query, .. } => {
                self.everything((kind, id), query)
            }
            Interaction::History { kind, id, query } => self.history(*kind, id.as_ref(), query),
            _ => {
                let fault = Fault::new(W2334).because("it is not one that is served here");
                Err(Reply::refusal(405, fault))
            }
        }
    }

    fn one(&self, asked: &Interaction, found: Option<Version>) -> Result<Shown, Box<Reply>> {
        let version = found.ok_or_else(|| Reply::refusal(404, Fault::new(W2337)))?;
        if version.deleted {
            let reply = Reply::outcome(410, &[Fault::new(W2338)]).with(ETAG, &version.etag());
            return Err(Box::new(reply));
        }
        let doc = version.doc().map_err(failed)?;
        if let Err(denied) = self.client.may_with(asked, doc.root()) {
            let reply = Reply::outcome(denied.status, std::slice::from_ref(&denied.fault));
            return Err(Box::new(reply.with_all(denied.headers())));
        }
        let unchanged = match asked {
            Interaction::Read { if_none_match: Some(tags), .. } => {
                tags.names(&version.number.to_string())
            }
            // Dates of HTTP have whole seconds.
            Interaction::Read { if_modified_since: Some(since), .. } => {
                version.at.millis() / 1000 <= since.millis() / 1000
            }
            _ => false,
        };
        let reply = match unchanged {
            true => Reply::empty(304),
            false => Reply::json(200, version.body.clone()),
        };
        let reply = reply.with(ETAG, &version.etag());
        let reply = reply.with(LAST_MODIFIED, &rest::http_date(version.at));
        let versions = if unchanged { Vec::new() } else { vec![version.address()] };
        Ok(Shown { reply, versions })
    }

    fn search(
        &self,
        kind: Option<Kind>,
        compartment: Option<&(Kind, Id)>,
        query: &Query,
    ) -> Result<Shown, Box<Reply>> {
        let path = match (compartment, kind) {
            (Some((of, id)), kind) => format!("{of}/{}/{}", id.as_str(), kind.unwrap_or("*")),
            (None, kind) => kind.unwrap_or_default().to_owned(),
        };
        self.found(kind, compartment, (query, &path), &|_| true)
    }

    /// All that belongs to a patient's compartment, with what it refers to.
    ///
    /// Source: FHIR R4 operation-patient-everything.html.
    fn everything(&self, of: (Kind, &Id), query: &Query) -> Result<Shown, Box<Reply>> {
        // By the names of a search.
        let mut text = String::from("_include=*");
        let mut types: Vec<Vec<&str>> = Vec::new();
        for asked in query.iter() {
            let (name, value) = (asked.name.as_str(), &asked.value);
            // Passed over, they would show more than was asked for.
            if matches!(name, "start" | "end") {
                let fault = Fault::new(W7611).at(Place::path(name.to_owned()));
                let why = "`$everything` does not go by dates of care here: leave it out, or \
                           search the types by their dates";
                return Err(failed(fault.because(why)));
            }
            types.extend((name == "_type").then(|| value.split(',').collect()));
            let since = rest::Parameter {
                name: "_lastUpdated".to_owned(),
                modifier: None,
                value: format!("ge{value}"),
            };
            text.push('&');
            text.push_str(&if name == "_since" { since.encode() } else { asked.encode() });
        }
        let query = Query::parse(&text).map_err(failed)?;
        let path = format!("{}/{}/*", of.0, of.1.as_str());
        if self.reader.read(of.0, of.1.as_str()).map_err(failed)?.is_none_or(|v| v.deleted) {
            return Err(Reply::refusal(404, Fault::new(W2337)));
        }
        // Other patients that something refers to are not this one's.
        let keeps = |kind: &str| kind != of.0 && types.iter().all(|types| types.contains(&kind));
        self.found(None, Some(&(of.0, of.1.clone())), (&query, &path), &keeps)
    }

    /// One page of a search; of what it includes only types that `keeps` takes.
    fn found(
        &self,
        kind: Option<Kind>,
        compartment: Option<&(Kind, Id)>,
        (query, path): (&Query, &str),
        keeps: &dyn Fn(&str) -> bool,
    ) -> Result<Shown, Box<Reply>> {
        let query = query.clone().without(&["_format", "_pretty"]);
        // A patient's own scopes reach what says that it is theirs, and no further.
        let narrow = !matches!(self.client.reach(kind, Permission::Search), Ok(Reach::All));
        let within =
            compartment.map(|(kind, id)| records::Within { kind, id: id.as_str(), narrow });
        let (strict, base) = (self.strict, self.own.as_str());
        let asked = Search { kind, within, strict, base, ..Search::of_all(&query, self.now) };
        let mut page = self.reader.search(&asked).map_err(failed)?;
        page.entries.retain(|(mode, own)| *mode != records::Mode::Include || keeps(&own.kind));
        let doc = records::searchset(&page, path, &self.base).map_err(failed)?;
        let versions = page.entries.iter().map(|(_, version)| version.address()).collect();
        Ok(Shown { reply: Reply::doc(200, &doc), versions })
    }

    fn history(
        &self,
        kind: Option<Kind>,
        id: Option<&Id>,
        query: &Query,
    ) -> Result<Shown, Box<Reply>> {
        let query = query.clone().without(&["_format", "_pretty"]);
        let (scope, path) = match (kind, id) {
            (Some(kind), Some(id)) => {
                (Scope::Instance(kind, id.as_str()), format!("{kind}/{}/_history", id.as_str()))
            }
            (Some(kind), None) => (Scope::Type(kind), format!("{kind}/_history")),
            (None, _) => (Scope::System, "_history".to_owned()),
        };
        let page = self.reader.history(scope, &query).map_err(failed)?;
        if page.versions.is_empty() && matches!(scope, Scope::Instance(..)) && query.is_empty() {
            return Err(Reply::refusal(404, Fault::new(W2337)));
        }
        let doc = records::history(&page, &path, &self.base).map_err(failed)?;
        let versions = page.versions.iter().map(Version::address).collect();
        Ok(Shown { reply: Reply::doc(200, &doc), versions })
    }
}

/// An entry of the answer to a batch.
fn entry(out: &mut Builder, reply: &Reply, fine: bool) {
    out.start_object();
    let doc = reply.resource();
    if let (Some(doc), true) = (&doc, fine) {
        out.name("resource").node(doc.root());
    }
    out.name("response").start_object().member("status", &rest::status_line(reply.status));
    if let Some(etag) = reply.header(&ETAG) {
        out.member("etag", etag);
    }
    if let (Some(doc), false) = (&doc, fine) {
        out.name("outcome").node(doc.root());
    }
    out.end_object().end_object();
}

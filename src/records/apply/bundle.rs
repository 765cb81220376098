//! Transactions, batches and messages.
//!
//! Source: FHIR R4 http.html#transaction.

use std::collections::HashMap;

use super::super::look::{Look, Search};
use super::super::search::{self, Run};
use super::after::After;
use super::{Answer, Method, Stage, Version, one};
use crate::fault::codes::{W7600, W7601, W7605, W7606, W7609};
use crate::fault::{Fault, Place};
use crate::fhir::rest::{self, Id, Interaction, Kind, Query, Refused};
use crate::fhir::transaction::{Entry, Identity, Links, Targets, Transaction};
use crate::fhir::{Builder, Doc, Node, tables};

/// Resources that each entry may look at beyond those of one search: its condition by the
/// index, and what the index has not taken yet.
pub(super) const LOOKS_PER_ENTRY: usize = 100;

/// The Bundle with a request for each entry: that of a message gets them.
pub(super) fn readable(doc: &Doc) -> Result<Doc, Refused> {
    if one::text(doc.root(), "type").as_deref() != Some("message") {
        return Ok(doc.clone());
    }
    let mut out = Builder::new();
    out.start_object().member("resourceType", "Bundle").member("type", "transaction");
    out.name("entry").start_array();
    let entries = doc.root().get("entry").into_iter().flat_map(|all| all.items());
    for (index, entry) in entries.enumerate() {
        let resource = entry.get("resource");
        let kind = resource.and_then(|resource| resource.resource_type());
        let (Some(resource), Some(kind)) = (resource, kind) else {
            let place = Place::path(format!("Bundle.entry[{index}].resource"));
            return Err(Fault::new(W7600).at(place).into());
        };
        out.start_object();
        if let Some(url) = entry.get("fullUrl") {
            out.name("fullUrl").node(url);
        }
        out.name("resource").node(resource);
        request(&mut out, resource, &kind);
        out.end_object();
    }
    out.end_array().end_object();
    Ok(out.finish())
}

/// An update by id where it has one, else a create unless its identifier is known.
fn request(out: &mut Builder, resource: Node<'_>, kind: &str) {
    out.name("request").start_object();
    match one::text(resource, "id").filter(|id| rest::is_id(id)) {
        Some(id) => {
            out.member("method", "PUT").member("url", &format!("{kind}/{id}"));
        }
        None => {
            out.member("method", "POST").member("url", kind);
            if let Some(search) = one::by_identifier(resource) {
                out.member("ifNoneExist", &search);
            }
        }
    }
    out.end_object();
}

/// What an entry is about, as far as that is decided before anything is done.
enum Target {
    /// A resource that gets a new id, or the one it came with.
    New(Id),
    /// One that stands, and is not written.
    Known(Box<Version>),
    /// The one that an entry with the same condition creates.
    Same(Id),
    /// The one to be changed.
    Of(Id),
    /// Nothing: the condition of a deletion fits none, or the entry reads.
    Nothing,
}

/// Carries a Bundle out. Conditions of its entries are resolved by what stood before, all of
/// them before anything is written, as they say which resources it is about and no two entries
/// may be about one; references by a search are resolved by what stands afterwards.
///
/// Source: FHIR R4 http.html#trules.
pub(super) fn write(stage: &mut Stage<'_>, doc: &Doc) -> Result<Vec<Answer>, Refused> {
    let bundle = Transaction::read(doc)?;
    let batch = bundle.is_batch();
    let mut plan = Plan::default();
    let mut answers: Vec<Option<Answer>> = vec![None; bundle.entries().len()];
    let looks = bundle.entries().len().saturating_mul(LOOKS_PER_ENTRY);
    stage.looks.allow(looks);
    let order = bundle.order();
    for entry in &order {
        match plan.target(stage, entry, batch) {
            Ok(target) => {
                plan.targets.insert(entry.index, target);
            }
            Err(refused) if batch => set(&mut answers, entry, Answer::refused(refused)),
            Err(refused) => return Err(inside(entry, refused)),
        }
    }
    let mut links = bundle.links(|entry| plan.identity(entry));
    if !batch {
        resolve(stage, &bundle, &plan, &mut links)?;
    }
    for entry in order {
        if answers.get(entry.index).is_none_or(Option::is_some) {
            continue;
        }
        let target = plan.targets.get(&entry.index).unwrap_or(&Target::Nothing);
        match carry_out(stage, entry, target, &links) {
            Ok(answer) => set(&mut answers, entry, answer),
            Err(refused) if batch => {
                set(&mut answers, entry, Answer::refused(inside(entry, refused)))
            }
            Err(refused) => return Err(inside(entry, refused)),
        }
    }
    Ok(answers.into_iter().map(|answer| answer.unwrap_or(Answer::status(500))).collect())
}

fn set(answers: &mut [Option<Answer>], entry: &Entry<'_>, answer: Answer) {
    if let Some(place) = answers.get_mut(entry.index) {
        *place = Some(answer);
    }
}

/// A refusal with the place of its entry.
fn inside(entry: &Entry<'_>, refused: Refused) -> Refused {
    at(&entry.path(), refused)
}

fn at(entry: &str, refused: Refused) -> Refused {
    let fault = refused.fault;
    let path = fault.place().path.as_deref().unwrap_or_default().to_owned();
    let (root, inside) = path.find('.').and_then(|dot| path.split_at_checked(dot)).unzip();
    let fault = match (root, inside) {
        (Some("Bundle"), _) => fault,
        (Some(root), Some(inside)) if tables::is_resource(root) => {
            fault.seen_at(format!("{entry}.resource{inside}"))
        }
        _ if path.is_empty() || tables::is_resource(&path) => fault.seen_at(entry),
        // A place of another kind: `operation[2] Patient.name` of a patch, a search parameter.
        _ => {
            let cause = fault.cause().map_or_else(String::new, |cause| format!(": {cause}"));
            fault.seen_at(entry).because(format!("{path}{cause}"))
        }
    };
    Refused { fault, ..refused }
}

/// Resolves the references by a search, by what stands when all is written.
fn resolve(
    stage: &Stage<'_>,
    bundle: &Transaction<'_>,
    plan: &Plan,
    links: &mut Links,
) -> Result<(), Refused> {
    let references = bundle.conditional()?;
    if references.is_empty() {
        return Ok(());
    }
    let mut after = After::new(stage.before());
    for entry in bundle.entries() {
        let (Ok(asks), Some(target)) = (&entry.request, plan.targets.get(&entry.index)) else {
            continue;
        };
        let (Some(kind), Target::New(id) | Target::Of(id)) = (asks.kind(), target) else {
            continue;
        };
        match asks {
            Interaction::Delete { .. } | Interaction::ConditionalDelete { .. } => {
                after.delete(kind, id.as_str());
            }
            Interaction::Create { .. }
            | Interaction::Update { .. }
            | Interaction::ConditionalUpdate { .. } => {
                if let Some(doc) = links.rewrite(entry)? {
                    after.put(stage.next(kind, id.as_str(), Method::Put, Some(doc))?)?;
                }
            }
            Interaction::Patch { .. } | Interaction::ConditionalPatch { .. } => {
                // One that cannot be applied is refused when its turn comes.
                let change = links.rewrite(entry)?;
                let patched = change.map(|doc| one::patched(stage, (kind, id.as_str()), &doc));
                if let Some(Ok(doc)) = patched {
                    after.put(stage.next(kind, id.as_str(), Method::Patch, Some(doc))?)?;
                }
            }
            _ => {}
        }
    }
    let run = Run { look: &after, ..stage.run() };
    for reference in references {
        let version = referred(run, &reference.search, reference.kind)
            .map_err(|refused| at(&reference.place, refused))?;
        let identity = Identity { kind: reference.kind, id: id_of(&version)?, version: None };
        links.found(&reference.text, identity);
    }
    Ok(())
}

/// The resource that a conditional reference means.
fn referred(run: Run<'_>, search: &Query, kind: Kind) -> Result<Version, Refused> {
    let found = search::first(run, kind, search, 2)?;
    let cause = match found.len() {
        1 => None,
        0 => Some("it fits none"),
        _ => Some("it fits several"),
    };
    match (cause, found.into_iter().next()) {
        (None, Some(version)) => Ok(version),
        (cause, _) => {
            let fault = Fault::new(W7609).because(cause.unwrap_or_default());
            Err(one::refused(412, fault))
        }
    }
}

/// What is decided before anything is done.
#[derive(Default)]
struct Plan {
    targets: HashMap<usize, Target>,
    claimed: Targets,
    /// New resources by type and condition: two creates under one condition are one.
    sought: HashMap<(Kind, String), Id>,
}

impl Plan {
    fn target(
        &mut self,
        stage: &mut Stage<'_>,
        entry: &Entry<'_>,
        batch: bool,
    ) -> Result<Target, Refused> {
        let interaction = entry.request.as_ref().map_err(Clone::clone)?;
        let target = match interaction {
            Interaction::Create { kind, if_none_exist: Some(search) } => {
                self.unless_known(stage, kind, search)?
            }
            Interaction::Create { .. } => Target::New(fresh(stage)?),
            Interaction::Update { id, .. }
            | Interaction::Patch { id, .. }
            | Interaction::Delete { id, .. } => Target::Of(id.clone()),
            Interaction::ConditionalUpdate { kind, search, .. } => {
                self.by_condition(stage, entry, kind, search)?
            }
            Interaction::ConditionalPatch { kind, search, .. } => {
                match one::sought(stage, kind, search)? {
                    Some(version) => Target::Of(id_of(&version)?),
                    None => return Err(one::refused(404, Fault::new(W7601))),
                }
            }
            Interaction::ConditionalDelete { kind, search } => {
                match one::sought(stage, kind, search)? {
                    Some(version) => Target::Of(id_of(&version)?),
                    None => Target::Nothing,
                }
            }
            _ => Target::Nothing,
        };
        let claims = match &target {
            Target::New(id) | Target::Of(id) => interaction.kind().zip(Some(id)),
            Target::Known(_) | Target::Same(_) | Target::Nothing => None,
        };
        if let Some((kind, id)) = claims.filter(|_| !batch && entry.writes()) {
            self.claimed.claim(entry, kind, id)?;
        }
        Ok(target)
    }

    fn unless_known(
        &mut self,
        stage: &mut Stage<'_>,
        kind: Kind,
        search: &Query,
    ) -> Result<Target, Refused> {
        if let Some(version) = one::sought(stage, kind, search)? {
            return Ok(Target::Known(Box::new(version)));
        }
        let condition = (kind, search.encode());
        if let Some(id) = self.sought.get(&condition) {
            return Ok(Target::Same(id.clone()));
        }
        let id = fresh(stage)?;
        self.sought.insert(condition, id.clone());
        Ok(Target::New(id))
    }

    fn by_condition(
        &mut self,
        stage: &mut Stage<'_>,
        entry: &Entry<'_>,
        kind: Kind,
        search: &Query,
    ) -> Result<Target, Refused> {
        let own = entry.resource.and_then(|resource| one::text(resource, "id"));
        let own = own.and_then(|own| Id::parse(&own));
        match one::sought(stage, kind, search)? {
            Some(version) if own.as_ref().is_some_and(|own| own.as_str() != &*version.id) => {
                let place = Place::path(format!("{kind}.id"));
                Err(one::refused(400, Fault::new(W7605).at(place)))
            }
            Some(version) => Ok(Target::Of(id_of(&version)?)),
            None => {
                let condition = (kind, search.encode());
                // The same condition again: the same resource, which is claimed twice then.
                let known = self.sought.get(&condition).cloned();
                if let (None, Some(own)) = (&known, &own)
                    && stage.latest(kind, own.as_str())?.is_some_and(|version| !version.deleted)
                {
                    let cause = "a resource of this id stands, and the condition does not fit it";
                    let place = Place::path(format!("{kind}.id"));
                    return Err(one::refused(409, Fault::new(W7605).at(place).because(cause)));
                }
                let id = match known.or(own) {
                    Some(id) => id,
                    None => fresh(stage)?,
                };
                self.sought.insert(condition, id.clone());
                Ok(Target::New(id))
            }
        }
    }

    /// Where the resource of an entry is or will be.
    fn identity(&self, entry: &Entry<'_>) -> Option<Identity> {
        let kind = entry.request.as_ref().ok()?.kind()?;
        let id = match self.targets.get(&entry.index)? {
            Target::New(id) | Target::Of(id) | Target::Same(id) => id.clone(),
            Target::Known(version) => Id::parse(&version.id)?,
            Target::Nothing => return None,
        };
        Some(Identity { kind, id, version: None })
    }
}

fn fresh(stage: &mut Stage<'_>) -> Result<Id, Refused> {
    Id::parse(&stage.new_id()).ok_or_else(|| Fault::new(W7605).into())
}

fn id_of(version: &Version) -> Result<Id, Refused> {
    Id::parse(&version.id).ok_or_else(|| Fault::new(W7605).into())
}

/// Does what an entry asks for.
fn carry_out(
    stage: &mut Stage<'_>,
    entry: &Entry<'_>,
    target: &Target,
    links: &Links,
) -> Result<Answer, Refused> {
    let interaction = entry.request.as_ref().map_err(Clone::clone)?;
    let body = || -> Result<Doc, Refused> {
        let place = || Place::path(format!("{}.resource", entry.path()));
        links.rewrite(entry)?.ok_or_else(|| Fault::new(W7600).at(place()).into())
    };
    let kind = interaction.kind().unwrap_or_default();
    match (interaction, target) {
        (_, Target::Known(version)) => Ok(Answer::of(200, version)),
        // The first of them was created before: entries of one kind keep their order.
        (_, Target::Same(id)) => {
            let version = one::there(stage.latest(kind, id.as_str())?, kind)?;
            Ok(Answer::of(200, &version))
        }
        (Interaction::Create { .. }, Target::New(id)) => {
            one::create(stage, kind, body()?, Some(id.as_str()))
        }
        (Interaction::Update { if_match, .. }, Target::Of(id))
        | (Interaction::ConditionalUpdate { if_match, .. }, Target::Of(id) | Target::New(id)) => {
            one::update(stage, (kind, id.as_str()), body()?, if_match.as_ref())
        }
        (
            Interaction::Patch { if_match, .. } | Interaction::ConditionalPatch { if_match, .. },
            Target::Of(id),
        ) => {
            let change = body()?;
            one::patch(stage, (kind, id.as_str()), change.root(), if_match.as_ref())
        }
        (Interaction::Delete { if_match, .. }, Target::Of(id)) => {
            one::delete(stage, (kind, id.as_str()), if_match.as_ref())
        }
        (Interaction::ConditionalDelete { .. }, Target::Of(id)) => {
            one::delete(stage, (kind, id.as_str()), None)
        }
        (Interaction::ConditionalDelete { .. }, _) => Ok(Answer::status(204)),
        (Interaction::Read { .. } | Interaction::Vread { .. }, _) => {
            let version = read(stage, interaction)?;
            Ok(Answer::of(200, &version))
        }
        (Interaction::Search { .. } | Interaction::History { .. }, _) => {
            found(Run { look: stage, ..stage.run() }, interaction)?;
            Ok(Answer::status(200))
        }
        _ => Err(one::refused(400, Fault::new(W7606))),
    }
}

/// The resource that an entry reads.
fn read(look: &dyn Look, interaction: &Interaction) -> Result<Version, Refused> {
    match interaction {
        Interaction::Read { kind, id, .. } => one::there(look.latest(kind, id.as_str())?, kind),
        Interaction::Vread { kind, id, version } => {
            let number = version.as_str().parse().unwrap_or(0);
            one::there(look.version(kind, id.as_str(), number)?, kind)
        }
        _ => Err(one::refused(400, Fault::new(W7606))),
    }
}

/// The Bundle that an entry searches for.
pub(super) fn found(run: Run<'_>, interaction: &Interaction) -> Result<Doc, Refused> {
    use super::super::bundle::{history, searchset};
    use super::super::look::Scope;
    let Run { look, now, base, looks } = run;
    match interaction {
        Interaction::Search { kind, compartment: None, query } => {
            let asked = Search { base, kind: *kind, ..Search::of_all(query, now) };
            Ok(searchset(&search::search(look, &asked, looks)?, kind.unwrap_or_default(), "")?)
        }
        Interaction::History { kind, id, query } => {
            let (scope, path) = match (kind, id) {
                (Some(kind), Some(id)) => {
                    let path = format!("{kind}/{}/_history", id.as_str());
                    (Scope::Instance(kind, id.as_str()), path)
                }
                (Some(kind), None) => (Scope::Type(kind), format!("{kind}/_history")),
                (None, _) => (Scope::System, "_history".to_owned()),
            };
            Ok(history(&search::history(look, scope, query)?, &path, "")?)
        }
        _ => Err(one::refused(400, Fault::new(W7606).because("this search is not answered here"))),
    }
}

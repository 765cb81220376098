//! Pages as Bundles: `searchset` and `history`.
//!
//! Source: FHIR R4 bundle.html, http.html#search, http.html#history.

use super::look::{HistoryPage, Mode, Page};
use super::version::{Method, Version};
use crate::fault::Fault;
use crate::fhir::{Builder, Doc, rest};

/// Members that every resource keeps where only some are asked for.
///
/// Source: FHIR R4 search.html#elements.
const KEPT: [&str; 3] = ["resourceType", "id", "meta"];

/// A page of a search as a Bundle of type `searchset`. `base` is the address of the endpoint
/// without a slash at its end; links and full URLs begin with it, or are relative without.
///
/// # Errors
/// Those of reading a body, which no version that was written here has.
pub fn searchset(page: &Page, kind: &str, base: &str) -> Result<Doc, Fault> {
    let mut out = Builder::new();
    begin(&mut out, "searchset", page.total);
    let address = join(base, kind);
    links(&mut out, &address, &page.this, page.next.as_deref());
    out.name("entry").start_array();
    for (mode, version) in &page.entries {
        out.start_object().member("fullUrl", &join(base, &version.resource_address()));
        out.name("resource");
        let doc = version.doc()?;
        if page.elements.is_empty() {
            out.node(doc.root());
        } else {
            some(&mut out, &doc, &page.elements);
        }
        let word = if *mode == Mode::Match { "match" } else { "include" };
        out.name("search").start_object().member("mode", word).end_object().end_object();
    }
    if !page.passed_over.is_empty() {
        passed_over(&mut out, &page.passed_over);
    }
    out.end_array().end_object();
    Ok(out.finish())
}

/// A page of a history as a Bundle of type `history`; `path` is what stands below the base:
/// `Patient/1/_history`.
///
/// # Errors
/// As [`searchset`].
pub fn history(page: &HistoryPage, path: &str, base: &str) -> Result<Doc, Fault> {
    let mut out = Builder::new();
    begin(&mut out, "history", page.total);
    links(&mut out, &join(base, path), &page.this, page.next.as_deref());
    out.name("entry").start_array();
    for (index, version) in page.versions.iter().enumerate() {
        out.start_object().member("fullUrl", &join(base, &version.resource_address()));
        if !version.deleted {
            out.name("resource").node(version.doc()?.root());
        }
        let url = match version.method {
            Method::Post => version.kind.to_string(),
            Method::Put | Method::Patch | Method::Delete => version.resource_address(),
        };
        out.name("request").start_object();
        out.member("method", version.method.name()).member("url", &url).end_object();
        out.name("response").start_object();
        out.member("status", &rest::status_line(status(version, page.anew.contains(&index))));
        out.member("etag", &version.etag()).member("lastModified", &version.at.to_string());
        out.end_object().end_object();
    }
    out.end_array().end_object();
    Ok(out.finish())
}

/// The status of a version; an update of a deleted resource makes it `anew`.
const fn status(version: &Version, anew: bool) -> u16 {
    match (version.method, version.number) {
        (Method::Delete, _) => 204,
        (Method::Put, _) if anew => 201,
        (Method::Post, _) | (Method::Put, 1) => 201,
        (Method::Put | Method::Patch, _) => 200,
    }
}

fn begin(out: &mut Builder, kind: &str, total: Option<u64>) {
    out.start_object().member("resourceType", "Bundle").member("type", kind);
    if let Some(total) = total {
        out.name("total").number(&total.to_string());
    }
}

fn join(base: &str, path: &str) -> String {
    if base.is_empty() { path.to_owned() } else { format!("{base}/{path}") }
}

fn links(out: &mut Builder, address: &str, this: &str, next: Option<&str>) {
    let url = |query: &str| match query {
        "" => address.to_owned(),
        query => format!("{address}?{query}"),
    };
    out.name("link").start_array();
    for (relation, query) in [("self", Some(this)), ("next", next)] {
        let Some(query) = query else { continue };
        out.start_object().member("relation", relation).member("url", &url(query)).end_object();
    }
    out.end_array();
}

/// The members that are asked for, with a tag that says that it is not all.
fn some(out: &mut Builder, doc: &Doc, elements: &[String]) {
    out.start_object();
    let mut tagged = false;
    for (name, value) in doc.root().members() {
        let own = name.strip_prefix('_').unwrap_or(name);
        if name == "meta" {
            tagged = true;
            out.name(name).start_object();
            for (name, value) in value.members().filter(|(name, _)| *name != "tag") {
                out.name(name).node(value);
            }
            subsetted(out, value.get("tag"));
            out.end_object();
        } else if KEPT.contains(&own) || elements.iter().any(|element| element == own) {
            out.name(name).node(value);
        }
    }
    if !tagged {
        out.name("meta").start_object();
        subsetted(out, None);
        out.end_object();
    }
    out.end_object();
}

fn subsetted(out: &mut Builder, tags: Option<crate::fhir::Node<'_>>) {
    const SYSTEM: &str = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue";
    out.name("tag").start_array();
    for tag in tags.into_iter().flat_map(|tags| tags.items()) {
        out.node(tag);
    }
    out.start_object().member("system", SYSTEM).member("code", "SUBSETTED").end_object();
    out.end_array();
}

/// An entry that names the parameters which were not looked at.
///
/// Source: FHIR R4 search.html#outcome.
fn passed_over(out: &mut Builder, names: &[String]) {
    out.start_object().name("resource").start_object();
    out.member("resourceType", "OperationOutcome").name("issue").start_array();
    for name in names {
        out.start_object().member("severity", "warning").member("code", "not-supported");
        out.member("diagnostics", &format!("the parameter `{name}` is not known and was not used"));
        out.end_object();
    }
    out.end_array().end_object();
    out.name("search").start_object().member("mode", "outcome").end_object().end_object();
}

//! Pages as Bundles: `searchset` and `history`.
//!
//! Source: FHIR R4 bundle.html, http.html#search, http.html#history.

use super::look::{HistoryPage, Mode, Page};
use super::summary;
use super::version::{Method, Version};
use crate::fault::Fault;
use crate::fhir::{Builder, Doc, rest};

/// A page of a search as a Bundle of type `searchset`. `path` is what stands below the base:
/// `Patient`, `Patient/1/Observation`, nothing for a search of all types. `base` is the address
/// of the endpoint without a slash at its end; links and full URLs begin with it, or are
/// relative without.
///
/// # Errors
/// Those of reading a body, which no version that was written here has.
pub fn searchset(page: &Page, path: &str, base: &str) -> Result<Doc, Fault> {
    let mut out = Builder::new();
    begin(&mut out, "searchset", page.total);
    let address = join(base, path);
    links(&mut out, &address, &page.this, page.next.as_deref());
    out.name("entry").start_array();
    for (mode, version) in &page.entries {
        out.start_object().member("fullUrl", &join(base, &version.resource_address()));
        out.name("resource");
        summary::write(&mut out, &version.doc()?, &page.shown);
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
    match (base, path) {
        ("", path) => path.to_owned(),
        (base, "") => base.to_owned(),
        (base, path) => format!("{base}/{path}"),
    }
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

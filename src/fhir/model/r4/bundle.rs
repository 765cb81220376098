//! Bundle, as R4 has it.
//!
//! Written by `cargo run --example generate -- fhir`.

use crate::fhir::model::{Record, Slot};
use crate::fhir::typed::{Any, Coded, Decimal, Extra, Instant, Primitive};

use super::codes;
use super::datatypes::*;

record! { resource Bundle "Bundle" {
    identifier "identifier": Option<Box<Identifier>>,
    type_ "type": Primitive<Coded<codes::BundleType>>,
    timestamp "timestamp": Primitive<Instant>,
    total "total": Primitive<u32>,
    link "link": Vec<BundleLink>,
    entry "entry": Vec<BundleEntry>,
    signature "signature": Option<Box<Signature>>,
} }

record! { backbone BundleLink {
    relation "relation": Primitive<String>,
    url "url": Primitive<String>,
} }

record! { backbone BundleEntry {
    link "link": Vec<BundleLink>,
    full_url "fullUrl": Primitive<String>,
    resource "resource": Option<Any>,
    search "search": Option<Box<BundleEntrySearch>>,
    request "request": Option<Box<BundleEntryRequest>>,
    response "response": Option<Box<BundleEntryResponse>>,
} }

record! { backbone BundleEntrySearch {
    mode "mode": Primitive<Coded<codes::SearchEntryMode>>,
    score "score": Primitive<Decimal>,
} }

record! { backbone BundleEntryRequest {
    method "method": Primitive<Coded<codes::HttpVerb>>,
    url "url": Primitive<String>,
    if_none_match "ifNoneMatch": Primitive<String>,
    if_modified_since "ifModifiedSince": Primitive<Instant>,
    if_match "ifMatch": Primitive<String>,
    if_none_exist "ifNoneExist": Primitive<String>,
} }

record! { backbone BundleEntryResponse {
    status "status": Primitive<String>,
    location "location": Primitive<String>,
    etag "etag": Primitive<String>,
    last_modified "lastModified": Primitive<Instant>,
    outcome "outcome": Option<Any>,
} }

//! The record store over the admin API: what it holds, and one version of a resource.

use axum::extract::{ConnectInfo, Path, Query, State};

use super::api::types::{
    RecordPageQuery, RecordPageView, RecordQuery, RecordView, RecordsView, ShelfView, schema,
};
use super::handlers::{Answered, shown};
use super::serve::{Caller, Web};
use crate::base::Timestamp;
use crate::engine::ExportPage;
use crate::fault::codes::{W7601, W7614};
use crate::fault::{Fault, Place};
use crate::fhir::tables;

/// `GET /api/v1/records`: no patient data, counts alone.
pub(super) async fn list(State(web): State<Web>) -> Answered {
    let at = web.engine.ports().clock.now().to_string();
    let shelves = web.engine.shelves()?.into_iter().map(|shelf| ShelfView {
        collection: shelf.collection.to_string(),
        kind: shelf.kind.to_string(),
        resources: shelf.resources,
        versions: shelf.versions,
    });
    shown(&RecordsView { schema: schema::RECORDS.to_owned(), at, shelves: shelves.collect() })
}

/// `GET /api/v1/records/{collection}/{type}/{id}`: patient data, so it needs a reason and is
/// audited.
pub(super) async fn show(
    State(web): State<Web>,
    Path((collection, kind, id)): Path<(String, String, String)>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    Query(query): Query<RecordQuery>,
) -> Answered {
    let by = caller.actor(&query.reason);
    let version = web.engine.reveal_record(&collection, (&kind, &id), query.version, &by).await?;
    let version = version.ok_or_else(|| Fault::new(W7601))?;
    shown(&RecordView {
        schema: schema::RECORD.to_owned(),
        collection,
        address: version.address(),
        written: version.at.to_string(),
        deleted: version.deleted,
        message: version.message.to_string(),
        channel: version.channel.to_string(),
        revision: version.revision.to_string(),
        resource: String::from_utf8_lossy(&version.body).into_owned(),
    })
}

/// `GET /api/v1/records/{collection}/{type}`: patient data, so it needs a reason and is
/// audited.
pub(super) async fn export(
    State(web): State<Web>,
    Path((collection, kind)): Path<(String, String)>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    Query(query): Query<RecordPageQuery>,
) -> Answered {
    let wrong = |what, why: &'static str| Fault::new(W7614).at(Place::path(what)).because(why);
    if !tables::is_resource(&kind) {
        return Err(wrong("type", "it is no type of resource of R4").into());
    }
    let since = match &query.since {
        None => None,
        Some(text) => {
            let day = || Timestamp::parse(&format!("{text}T00:00:00Z"));
            let whole = Timestamp::parse(text).or_else(day);
            Some(whole.ok_or_else(|| wrong("since", "it is no date and no time"))?)
        }
    };
    let by = caller.actor(&query.reason);
    let page = ExportPage { kind: kind.clone(), after: query.after, since };
    let found = web.engine.export_records(&collection, page, &by).await?;
    let text = |body: &[u8]| String::from_utf8_lossy(body).into_owned();
    shown(&RecordPageView {
        schema: schema::RECORD_PAGE.to_owned(),
        collection,
        kind,
        at: found.at.to_string(),
        resources: found.versions.iter().map(|version| text(&version.body)).collect(),
        next: found.next,
    })
}

//! The record store over the admin API: what it holds, and one version of a resource.

use axum::extract::{ConnectInfo, Path, Query, State};

use super::api::types::{RecordQuery, RecordView, RecordsView, ShelfView, schema};
use super::handlers::{Answered, shown};
use super::serve::{Caller, Web};
use crate::fault::Fault;
use crate::fault::codes::W7601;

/// `GET /api/v1/records`: no patient data, counts alone.
pub(super) async fn list(State(web): State<Web>) -> Answered {
    let shelves = web.engine.shelves()?.into_iter().map(|shelf| ShelfView {
        collection: shelf.collection.to_string(),
        kind: shelf.kind.to_string(),
        resources: shelf.resources,
        versions: shelf.versions,
    });
    shown(&RecordsView { schema: schema::RECORDS.to_owned(), shelves: shelves.collect() })
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

//! `[answer]`: responses of their own to queries and orders.

use std::sync::Arc;

use super::channel::Maker;
use super::channel_keys::ANSWER_MAP;
use super::revision::Digest;
use crate::channel::Responses;
use crate::fault::Fault;
use crate::fault::codes::W2126;
use crate::hl7v2::ack;
use crate::hl7v2::tables;
use crate::mapping::Mapping;
use crate::message::ContentKind;
use crate::settings::{Spanned, Table};

/// Segments that weir itself writes into an answer.
const OWN: [&str; 3] = ["MSH", "MSA", "ERR"];

/// Reads the table; none where the channel has none, or it is wrong.
pub(super) fn read(
    maker: &mut Maker<'_>,
    root: &mut Table<'_>,
    input: Option<ContentKind>,
    digest: &mut Digest,
) -> Option<Arc<Responses>> {
    let span = root.key_span("answer");
    let mut table = root.table("answer")?;
    if let (Some(span), Some(ContentKind::FhirJson | ContentKind::Cda | ContentKind::Raw)) =
        (span, input)
    {
        let fault = Fault::new(W2126).because("the channel takes no HL7 v2");
        table.error(fault.remedy("Leave out `[answer]`."), &span);
    }
    let list = table.spanned(&ANSWER_MAP);
    let items = table.value("map").and_then(|value| value.items()).unwrap_or_default();
    let mut mappings: Vec<Arc<Mapping>> = Vec::new();
    let files = list.map_or_else(Vec::new, |list| list.value);
    for (value, item) in files.into_iter().zip(&items) {
        let file = Spanned { value, span: item.span() };
        let Some(loaded) = maker.mapping(&mut table, &file) else { continue };
        digest.add(&loaded.text);
        let again = mappings
            .iter()
            .find(|other| other.takes().1 == loaded.mapping.takes().1)
            .filter(|other| other.makes().map(|m| m.1) == loaded.mapping.makes().map(|m| m.1));
        if let Some(cause) = wrong(&loaded.mapping) {
            table.error(Fault::new(W2126).because(cause), &file.span);
        } else if again.is_some() {
            let cause = "another mapping of the list answers the same messages";
            table.error(Fault::new(W2126).because(cause), &file.span);
        }
        mappings.push(loaded.mapping);
    }
    table.finish();
    Some(Arc::new(Responses { mappings }))
}

/// Why a mapping gives no answer to what it takes.
fn wrong(mapping: &Mapping) -> Option<String> {
    let (version, takes) = mapping.takes();
    let Some((_, makes)) = mapping.makes() else {
        return Some("it makes FHIR".to_owned());
    };
    if let Some(own) = OWN.into_iter().find(|id| mapping.makes_segment(id)) {
        return Some(format!("{own} of an answer is written by weir itself"));
    }
    let (version, _) = tables::version(version);
    let mut answers: Vec<&str> = version
        .events()
        .filter(|(_, structure)| *structure == takes)
        .filter_map(|(event, _)| {
            let (code, event) = event.split_once('_')?;
            ack::answer_to(version, code, event).map(|response| response.structure)
        })
        .collect();
    answers.sort_unstable();
    answers.dedup();
    if answers.contains(&makes) {
        return None;
    }
    Some(match answers.as_slice() {
        [] => format!("{takes} is answered by ACK"),
        some => format!("{takes} is answered by {}, not by {makes}", some.join(" or ")),
    })
}

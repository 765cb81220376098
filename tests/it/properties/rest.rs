//! Properties of requests to a FHIR endpoint, as strangers write them.

use weir::fhir::rest::{Conditions, Interaction, Query, Request, entry, is_id, parse};

/// A request never breaks its reader; what is taken holds ids that are ids and a search that
/// reads back the same, and means the same as an entry of a Bundle. The first line is method
/// and address, the second a condition.
pub fn rest(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (line, condition) = text.split_once('\n').unwrap_or((text, ""));
    let (method, url) = line.split_once(' ').unwrap_or((line, ""));
    let (path, query) = match url.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (url, None),
    };
    let condition = Some(condition).filter(|text| !text.is_empty());
    let every = [
        Conditions { if_match: condition, ..Conditions::default() },
        Conditions { if_none_match: condition, ..Conditions::default() },
        Conditions { if_none_exist: condition, ..Conditions::default() },
        Conditions { if_modified_since: condition, ..Conditions::default() },
    ];
    for conditions in every {
        let found = parse(&Request { method, path, query, form: None, conditions });
        if let Ok(found) = &found {
            assert!(found.id().is_none_or(|id| is_id(id.as_str())));
            if let Interaction::Search { query, .. } = found {
                assert_eq!(&Query::parse(&query.encode()).unwrap(), query);
            }
        }
        if let (Ok(one), Ok(other)) = (found, entry(method, url, conditions)) {
            assert_eq!(one, other);
        }
    }
}

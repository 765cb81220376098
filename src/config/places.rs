//! Whether a path of HL7 v2 names what some version of the standard has.
//!
//! A path with a slip of the pen is a good path that never finds anything: what it should
//! protect leaves in clear, and whom it should find stays unknown.

use crate::hl7v2::tables;

/// What a path or condition names that no version has: a segment or a field of one. Site
/// segments (`Z..`) are not asked; texts in quotes are no paths.
pub(super) fn unknown(text: &str) -> Option<String> {
    text.split('\'').step_by(2).find_map(in_part)
}

fn in_part(text: &str) -> Option<String> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut rest = text;
    while let Some(at) = rest.find(is_word) {
        let from = rest.get(at..)?;
        let end = from.find(|c| !is_word(c)).unwrap_or(from.len());
        let (word, behind) = from.split_at(end);
        if let Some(field) = field_of(behind)
            && let Some(cause) = wrong(word, field)
        {
            return Some(cause);
        }
        rest = behind;
    }
    None
}

/// The number of the field behind the name of a segment, as in `[2]-5.1`.
fn field_of(behind: &str) -> Option<usize> {
    let behind = match behind.strip_prefix('[') {
        Some(inside) => inside.split_once(']')?.1,
        None => behind,
    };
    let digits = behind.strip_prefix('-')?;
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    digits.get(..end)?.parse().ok()
}

fn wrong(segment: &str, field: usize) -> Option<String> {
    let is_id = segment.len() == 3
        && segment.starts_with(|c: char| c.is_ascii_uppercase())
        && segment.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    if !is_id || segment.starts_with('Z') {
        return None;
    }
    let fields = tables::versions().filter_map(|v| v.segment(segment)).map(|s| s.fields.len());
    match fields.max() {
        None => Some(format!("no version of HL7 v2 has a segment {segment}")),
        Some(most) if field > most => {
            Some(format!("{segment} has no field {field}: {most} is the last of any version"))
        }
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_version_has_is_told() {
        let check = |text: &str, expected: Option<&str>| {
            let found = unknown(text);
            assert_eq!(found.as_deref().and_then(|t| t.split(':').next()), expected, "{text}");
        };
        check("PID-3.1", None);
        check("PID-3[5 = 'MR'].1", None);
        check("OBX[2]-5 = 'QQQ-9' and PV1-2 valued", None);
        check("ZLB-99", None);
        check("Patient.name", None);
        check("PID-91", Some("PID has no field 91"));
        check("QQQ-1 valued", Some("no version of HL7 v2 has a segment QQQ"));
        check("PV1-2 = 'I' and OBR-99 != 'X'", Some("OBR has no field 99"));
        check("OBX[1]-500.1", Some("OBX has no field 500"));
        check("PATIENT.PID-99", Some("PID has no field 99"));
    }
}

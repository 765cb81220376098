//! Reading a peer's answer.

use bytes::Bytes;

use super::AckCode;
use crate::fault::codes::W2040;
use crate::fault::{Fault, Place};
use crate::hl7v2::message::Message;
use crate::hl7v2::path::Path;

/// Most ERR segments that are looked at: enough to explain, and a bound.
const ERRORS_MAX: usize = 64;

/// What a peer answered. Its texts are left out: they may hold values of the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ack {
    /// MSA-1.
    pub code: AckCode,
    /// MSA-2 as it stands: to be compared with MSH-10 of what was sent, byte for byte.
    pub control_id: Bytes,
    /// MSA-4: the sequence number expected next, -1 for any.
    pub expected: Option<i64>,
    /// What the ERR segments name.
    pub errors: Vec<AckError>,
}

/// Codes and place of one error that a peer reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AckError {
    /// ERR-3.1, or ERR-1.4 before 2.5: table 0357.
    pub condition: Option<String>,
    /// ERR-4: `E`, `W`, `I` or `F`.
    pub severity: Option<String>,
    /// ERR-5.1: a code of the peer's own.
    pub application: Option<String>,
    /// ERR-2, or ERR-1 before 2.5, as a path.
    pub place: Option<Path>,
}

/// Reads an acknowledgment.
///
/// # Errors
/// `W2040` without MSA or with an unknown MSA-1; W20xx when it is no message at all.
pub fn read(bytes: &Bytes) -> Result<Ack, Fault> {
    let message = Message::parse(bytes.clone())?;
    let Some(msa) = message.segments().find(|segment| segment.id() == "MSA") else {
        return Err(Fault::new(W2040).because("it has no MSA segment"));
    };
    let code = msa.field(1).and_then(|value| AckCode::find(&value.text()));
    let Some(code) = code else {
        return Err(Fault::new(W2040).at(Place::path("MSA-1")).because("the code is unknown"));
    };
    // Not a slice of `bytes`: those of UTF-16 and UTF-32 are not what was read.
    let control_id = msa.field(2).map_or(Bytes::new(), |v| Bytes::copy_from_slice(v.raw()));
    let expected = msa.field(4).and_then(|value| value.text().trim().parse().ok());
    let errors = message
        .segments()
        .filter(|segment| segment.id() == "ERR")
        .take(ERRORS_MAX)
        .map(|segment| {
            let part = |field: usize, n: usize| {
                let value = segment.field(field)?.component(n)?.subcomponent(1)?;
                token(&value.text())
            };
            let is_old = part(3, 1).is_none();
            AckError {
                condition: if is_old { part(1, 4) } else { part(3, 1) },
                severity: part(4, 1),
                application: part(5, 1),
                place: place(|n| if is_old { part(1, n) } else { part(2, n) }, is_old),
            }
        })
        .collect();
    Ok(Ack { code, control_id, expected, errors })
}

/// A code: short and without anything that free text would have.
fn token(text: &str) -> Option<String> {
    let text = text.trim();
    let fits = (1..=20).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    fits.then(|| text.to_owned())
}

fn place(part: impl Fn(usize) -> Option<String>, is_old: bool) -> Option<Path> {
    let mut text = part(1)?;
    if let Some(n) = part(2) {
        text.push_str(&format!("[{n}]"));
    }
    if let Some(field) = part(3) {
        text.push_str(&format!("-{field}"));
        if !is_old {
            if let Some(n) = part(4) {
                text.push_str(&format!("[{n}]"));
            }
            for n in [part(5), part(6)].into_iter().flatten() {
                text.push_str(&format!(".{n}"));
            }
        }
    }
    Path::parse(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_control_id_is_found_in_wide_characters() {
        let text =
            "\u{feff}MSH|^~\\&|A|B|C|D|||ACK|1|P|2.5||||||UNICODE UTF-16\rMSA|AA|K\u{e4}42\r";
        let bytes: Bytes = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(read(&bytes).unwrap().control_id, "K\u{e4}42");
    }

    #[test]
    fn reads_code_control_id_and_errors() {
        let check = |text: &str, expected: &str| {
            let found = match read(&Bytes::copy_from_slice(text.as_bytes())) {
                Err(fault) => fault.code().to_string(),
                Ok(ack) => {
                    let mut out = format!("{} {:?}", ack.code, ack.control_id);
                    for error in ack.errors {
                        let word = |text: Option<String>| text.unwrap_or_default();
                        let place = word(error.place.map(|place| place.to_string()));
                        out.push_str(&format!(
                            " [{place} {} {} {}]",
                            word(error.condition),
                            word(error.severity),
                            word(error.application)
                        ));
                    }
                    out
                }
            };
            assert_eq!(found, expected, "{text}");
        };
        let msh = "MSH|^~\\&|A|B|C|D|||ACK|1|P|2.5\r";
        check(&format!("{msh}MSA|AA|42\r"), "AA b\"42\"");
        check(&format!("{msh}MSA|ca| 42\\T\\ \r"), r#"CA b" 42\\T\\ ""#);
        check(&format!("{msh}MSA|AE|\r"), r#"AE b"""#);
        check(
            &format!("{msh}MSA|AE|42\rERR||PID^1^3^2^4|101^x|E|X7^y||Doe Jo|Doe\r"),
            r#"AE b"42" [PID[1]-3[2].4 101 E X7]"#,
        );
        check(&format!("{msh}MSA|AE|42\rERR|PID^1^3^103&x\r"), r#"AE b"42" [PID[1]-3 103  ]"#);
        check(&format!("{msh}MSA|ZZ|42\r"), "W2040");
        check(msh, "W2040");
        check("HTTP/1.1 400", "W2002");
        check("", "W2001");
    }
}

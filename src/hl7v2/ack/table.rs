//! Which error condition of table 0357, and which answer, stands for a code of ours.

use super::AckCode;
use crate::fault::codes as w;
use crate::fault::{Class, Code, Fault};

/// An error condition of HL7: table 0357.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorRow {
    /// ERR-3.1, such as `101`.
    pub code: &'static str,
    /// ERR-3.2.
    pub text: &'static str,
    /// The answer that goes with it: AR for what MSH alone decides, AE for the rest.
    pub answer: AckCode,
}

const fn row(code: &'static str, text: &'static str, answer: AckCode) -> ErrorRow {
    ErrorRow { code, text, answer }
}

const SEQUENCE: ErrorRow = row("100", "Segment sequence error", AckCode::AE);
const REQUIRED: ErrorRow = row("101", "Required field missing", AckCode::AE);
const DATA_TYPE: ErrorRow = row("102", "Data type error", AckCode::AE);
const TABLE_VALUE: ErrorRow = row("103", "Table value not found", AckCode::AE);
const TOO_LONG: ErrorRow = row("104", "Value too long", AckCode::AE);
const MESSAGE_TYPE: ErrorRow = row("200", "Unsupported message type", AckCode::AR);
const EVENT: ErrorRow = row("201", "Unsupported event code", AckCode::AR);
const PROCESSING: ErrorRow = row("202", "Unsupported processing id", AckCode::AR);
const VERSION: ErrorRow = row("203", "Unsupported version id", AckCode::AR);
const INTERNAL: ErrorRow = row("207", "Application internal error", AckCode::AE);

/// Codes that have an error condition of their own, in order.
const ROWS: &[(Code, ErrorRow)] = &[
    (w::W2001, row("100", "Segment sequence error", AckCode::AR)),
    (w::W2002, row("100", "Segment sequence error", AckCode::AR)),
    (w::W2003, row("101", "Required field missing", AckCode::AR)),
    (w::W2004, row("102", "Data type error", AckCode::AR)),
    (w::W2005, row("200", "Unsupported message type", AckCode::AR)),
    (w::W2006, row("104", "Value too long", AckCode::AR)),
    (w::W2007, row("104", "Value too long", AckCode::AR)),
    (w::W2008, row("102", "Data type error", AckCode::AR)),
    (w::W2010, row("101", "Required field missing", AckCode::AR)),
    (w::W2011, row("101", "Required field missing", AckCode::AR)),
    (w::W2012, VERSION),
    (w::W2013, VERSION),
    (w::W2014, MESSAGE_TYPE),
    (w::W2015, EVENT),
    (w::W2016, PROCESSING),
    (w::W2018, row("100", "Segment sequence error", AckCode::AR)),
    (w::W2020, row("104", "Value too long", AckCode::AR)),
    (w::W2050, row("100", "Segment sequence error", AckCode::AR)),
    (w::W2051, row("100", "Segment sequence error", AckCode::AR)),
    (w::W2052, row("100", "Segment sequence error", AckCode::AR)),
    (w::W2060, DATA_TYPE),
    (w::W2061, TABLE_VALUE),
    (w::W2070, row("102", "Data type error", AckCode::AR)),
    (w::W2071, row("102", "Data type error", AckCode::AR)),
    (w::W2072, row("102", "Data type error", AckCode::AR)),
    (w::W2081, row("101", "Required field missing", AckCode::AR)),
    (w::W2082, row("102", "Data type error", AckCode::AR)),
    (w::W2100, SEQUENCE),
    (w::W2101, SEQUENCE),
    (w::W2102, DATA_TYPE),
    (w::W2103, TABLE_VALUE),
    (w::W2104, REQUIRED),
    (w::W2105, TOO_LONG),
    (w::W2106, DATA_TYPE),
    (w::W2107, DATA_TYPE),
    (w::W2108, SEQUENCE),
    (w::W2109, SEQUENCE),
    (w::W2110, SEQUENCE),
    (w::W2111, SEQUENCE),
    (w::W2112, TABLE_VALUE),
    (w::W2113, DATA_TYPE),
    (w::W2114, DATA_TYPE),
    (w::W2115, REQUIRED),
    (w::W2116, REQUIRED),
    (w::W2117, DATA_TYPE),
    (w::W2118, REQUIRED),
    (w::W2119, DATA_TYPE),
    (w::W2120, SEQUENCE),
    (w::W2121, SEQUENCE),
    (w::W2123, SEQUENCE),
    (w::W2124, DATA_TYPE),
    (w::W2125, TABLE_VALUE),
];

/// Finds the error condition and the answer for a fault.
///
/// A code without a condition of its own is an internal error; it is answered with AE,
/// or AR where trying again by itself may help, as when the disk is full.
#[must_use]
pub fn condition(fault: &Fault) -> ErrorRow {
    let known = ROWS.iter().find(|(code, _)| *code == fault.code()).map(|(_, row)| *row);
    known.unwrap_or_else(|| match fault.class() {
        Class::Transient => ErrorRow { answer: AckCode::AR, ..INTERNAL },
        Class::Permanent | Class::Operator | Class::Bug => INTERNAL,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_of_faults() {
        let check = |code: Code, condition_code: &str, answer: AckCode| {
            let found = condition(&Fault::new(code));
            assert_eq!((found.code, found.answer), (condition_code, answer), "{code}");
        };
        check(w::W2010, "101", AckCode::AR);
        check(w::W2104, "101", AckCode::AE);
        check(w::W2014, "200", AckCode::AR);
        check(w::W9002, "207", AckCode::AE);
        assert!(ROWS.is_sorted_by(|a, b| a.0 < b.0));
    }
}

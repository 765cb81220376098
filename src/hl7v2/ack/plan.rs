//! What MSH-15 and MSH-16 ask for, and which answer follows.

use super::AckCode;
use crate::hl7v2::Message;
use crate::hl7v2::value::Value;

/// Which acknowledgment mode a message asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// MSH-15 and MSH-16 are empty: one application acknowledgment.
    Original,
    /// One of them is valued: commit and application acknowledgment by their conditions.
    Enhanced,
}

/// When an acknowledgment is wanted: table 0155.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// `AL`.
    Always,
    /// `NE`.
    Never,
    /// `ER`: on error or reject only.
    Error,
    /// `SU`: on success only.
    Success,
}

/// What a message asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The mode.
    pub mode: Mode,
    /// When a commit acknowledgment is wanted: never in original mode.
    pub accept: Condition,
    /// When an application acknowledgment is wanted: always in original mode.
    pub application: Condition,
}

/// Which of the two answers is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The message is on disk here, or was refused before.
    Commit,
    /// The message has been processed, or processing failed.
    Application,
}

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Taken.
    Accepted,
    /// AE or CE.
    Error,
    /// AR or CR.
    Rejected,
}

impl Plan {
    /// Original mode, whatever MSH says: for listeners that are set to it.
    pub const ORIGINAL: Self =
        Self { mode: Mode::Original, accept: Condition::Never, application: Condition::Always };

    /// The code to answer with, or `None` where no answer is wanted.
    #[must_use]
    pub fn answer(self, stage: Stage, outcome: Outcome) -> Option<AckCode> {
        let condition = match stage {
            Stage::Commit => self.accept,
            Stage::Application => self.application,
        };
        let is_wanted = match condition {
            Condition::Always => true,
            Condition::Never => false,
            Condition::Error => outcome != Outcome::Accepted,
            Condition::Success => outcome == Outcome::Accepted,
        };
        is_wanted.then_some(match (stage, outcome) {
            (Stage::Commit, Outcome::Accepted) => AckCode::CA,
            (Stage::Commit, Outcome::Error) => AckCode::CE,
            (Stage::Commit, Outcome::Rejected) => AckCode::CR,
            (Stage::Application, Outcome::Accepted) => AckCode::AA,
            (Stage::Application, Outcome::Error) => AckCode::AE,
            (Stage::Application, Outcome::Rejected) => AckCode::AR,
        })
    }
}

/// Reads what a message asks for. An acknowledgment asks for nothing.
///
/// In enhanced mode an empty one of the two conditions means never.
#[must_use]
pub fn plan(message: &Message) -> Plan {
    if message.is_acknowledgment() {
        let never = Condition::Never;
        return Plan { mode: Mode::Original, accept: never, application: never };
    }
    let header = message.header();
    match (condition(header.accept_ack()), condition(header.application_ack())) {
        (None, None) => Plan::ORIGINAL,
        (accept, application) => Plan {
            mode: Mode::Enhanced,
            accept: accept.unwrap_or(Condition::Never),
            application: application.unwrap_or(Condition::Never),
        },
    }
}

/// What the receiver of a message that weir sends will answer. An application acknowledgment
/// that travels as a message of its own may ask for a commit acknowledgment in MSH-15;
/// anything else answers as [`plan`] says.
#[must_use]
pub fn awaited(message: &Message) -> Plan {
    let asked = plan(message);
    match condition(message.header().accept_ack()) {
        Some(accept) if message.is_acknowledgment() => {
            Plan { mode: Mode::Enhanced, accept, application: Condition::Never }
        }
        _ => asked,
    }
}

/// A value of table 0155; one that is not in it counts as always, the safe side.
fn condition(value: Value<'_>) -> Option<Condition> {
    value.is_valued().then(|| match value.text().trim() {
        "NE" => Condition::Never,
        "ER" => Condition::Error,
        "SU" => Condition::Success,
        _ => Condition::Always,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn planned(accept: &str, application: &str) -> Plan {
        let text = format!("MSH|^~\\&|||||||ADT^A01|1|P|2.5|||{accept}|{application}\r");
        plan(&Message::parse(Bytes::from(text)).unwrap())
    }

    #[test]
    fn answers_by_condition() {
        let check = |accept: &str, application: &str, expected: [&str; 6]| {
            let plan = planned(accept, application);
            let answers = [Stage::Commit, Stage::Application].into_iter().flat_map(|stage| {
                [Outcome::Accepted, Outcome::Error, Outcome::Rejected]
                    .map(|outcome| plan.answer(stage, outcome).map_or("", AckCode::as_str))
            });
            assert_eq!(answers.collect::<Vec<_>>(), expected, "{accept}/{application}");
        };
        check("", "", ["", "", "", "AA", "AE", "AR"]);
        check("AL", "AL", ["CA", "CE", "CR", "AA", "AE", "AR"]);
        check("AL", "NE", ["CA", "CE", "CR", "", "", ""]);
        check("AL", "", ["CA", "CE", "CR", "", "", ""]);
        check("NE", "NE", ["", "", "", "", "", ""]);
        check("ER", "SU", ["", "CE", "CR", "AA", "", ""]);
        check("SU", "ER", ["CA", "", "", "", "AE", "AR"]);
        check("", "AL", ["", "", "", "AA", "AE", "AR"]);
        check("XX", "NE", ["CA", "CE", "CR", "", "", ""]);
    }

    #[test]
    fn an_acknowledgment_may_ask_for_its_commit() {
        let check = |conditions: &str, expected: Option<AckCode>| {
            let text = format!("MSH|^~\\&|||||||ACK|1|P|2.5|||{conditions}\rMSA|AA|1\r");
            let message = Message::parse(Bytes::from(text)).unwrap();
            let plan = awaited(&message);
            assert_eq!(plan.answer(Stage::Commit, Outcome::Accepted), expected, "{conditions}");
            assert_eq!(plan.answer(Stage::Application, Outcome::Accepted), None, "{conditions}");
        };
        check("AL|NE", Some(AckCode::CA));
        check("AL|AL", Some(AckCode::CA));
        check("NE|NE", None);
        check("|", None);
    }

    #[test]
    fn an_acknowledgment_asks_for_nothing() {
        for text in ["MSH|^~\\&|||||||ACK|1|P|2.5\r", "MSH|^~\\&|||||||ORR^O02|1\rMSA|AA|1\r"] {
            let message = Message::parse(Bytes::from_static(text.as_bytes())).unwrap();
            assert!(message.is_acknowledgment());
            assert_eq!(plan(&message).answer(Stage::Application, Outcome::Rejected), None);
        }
    }
}

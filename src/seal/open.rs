//! Opens sealed values for the holder of the keys.

use super::keyring::Keyring;
use super::value::Opener;
use super::{fhir, hl7};
use crate::base::{MessageId, Phi};
use crate::fault::Fault;
use crate::message::Content;

/// Content with its sealed values put back, and what they were.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The content as it was before sealing, but for tokens and what was dropped.
    pub content: Content,
    /// Path and value of each.
    pub values: Vec<(String, Phi<String>)>,
}

/// Opens every sealed value of a content, in its place.
///
/// `message` is the message that the content should be of, where the caller knows: values
/// of another are refused then. Otherwise all values of a message or resource must be of
/// one message.
///
/// # Errors
/// `W5020` for a value that is cut short, `W5021` when its key is not in the keyring,
/// `W5022` when it is of another message, `W5023` when it stands in another place, `W5024`
/// when it was changed. The place of the fault is that of the value.
pub fn open(
    keyring: &Keyring,
    message: Option<MessageId>,
    content: &Content,
) -> Result<Opened, Fault> {
    let mut opener = Opener::new(keyring, message);
    match content {
        Content::Hl7(body) => {
            let (body, values) = hl7::open(&mut opener, body.clone())?;
            Ok(Opened { content: Content::Hl7(body), values })
        }
        Content::Fhir(doc) => {
            let (doc, values) = fhir::open(&mut opener, message, doc.clone())?;
            let values = values.into_iter().map(|(path, value)| (path, Phi::new(value))).collect();
            Ok(Opened { content: Content::Fhir(doc), values })
        }
        Content::Cda(_) | Content::Raw(_) => {
            Ok(Opened { content: content.clone(), values: Vec::new() })
        }
    }
}

/// Opens every sealed value it finds (`weir unseal`): path and value.
///
/// # Errors
/// As [`open`].
pub fn unseal(keyring: &Keyring, content: &Content) -> Result<Vec<(String, Phi<String>)>, Fault> {
    open(keyring, None, content).map(|opened| opened.values)
}

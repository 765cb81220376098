//! Applies rules to what leaves.

use super::keyring::{Key, Keyring};
use super::rule::SealRule;
use super::value::{Letters, Sealer, Spot, pseudonym};
use super::{fhir, hl7};
use crate::base::MessageId;
use crate::fault::codes::W5012;
use crate::fault::{Fault, Place};
use crate::message::Content;

/// What sealing needs besides rules and content.
pub(super) struct Tools<'a> {
    keyring: &'a Keyring,
    message: MessageId,
    sealers: Vec<Sealer<'a>>,
    entropy: &'a mut dyn FnMut(&mut [u8]),
}

impl<'a> Tools<'a> {
    fn key(&self, rule: &SealRule) -> Result<&'a Key, Fault> {
        self.keyring.active(rule.key()).map_err(|fault| fault.at(Place::path(rule.source())))
    }

    /// Seals a plain text with the key of a rule.
    pub fn seal(
        &mut self,
        rule: &SealRule,
        plain: &[u8],
        spot: &Spot,
        letters: Letters,
    ) -> Result<String, Fault> {
        let key = self.key(rule)?;
        if !self.sealers.iter().any(|sealer| sealer.is_of(key)) {
            self.sealers.push(Sealer::new(key, self.message));
        }
        let own = self.sealers.iter().find(|sealer| sealer.is_of(key));
        let sealer = own.ok_or_else(|| Fault::new(crate::fault::codes::W9001))?;
        sealer.seal(plain, spot, letters, self.entropy)
    }

    /// The token of a text under the key of a rule.
    pub fn token(&self, rule: &SealRule, text: &str) -> Result<String, Fault> {
        self.key(rule).map(|key| pseudonym(key, text))
    }
}

/// Applies rules to content that leaves: gives the protected content and the paths of what
/// was sealed, replaced or taken out.
///
/// The order of the rules does not matter: what is dropped goes first, and of two rules for
/// one place, or one within the other, the wider and then the earlier holds. Empty values
/// stay as they are.
///
/// # Errors
/// `W5003` when a key is not there, `W5012` when a rule is for another form, `W5013` when a
/// value cannot be sealed where it stands. Nothing may be sent then.
pub fn apply(
    rules: &[SealRule],
    keyring: &Keyring,
    message: MessageId,
    content: Content,
    entropy: &mut dyn FnMut(&mut [u8]),
) -> Result<(Content, Vec<String>), Fault> {
    let mut tools = Tools { keyring, message, sealers: Vec::new(), entropy };
    match content {
        content if rules.is_empty() => Ok((content, Vec::new())),
        Content::Hl7(body) => {
            hl7::apply(rules, &mut tools, body).map(|(body, paths)| (Content::Hl7(body), paths))
        }
        Content::Fhir(doc) => {
            fhir::apply(rules, &mut tools, doc).map(|(doc, paths)| (Content::Fhir(doc), paths))
        }
        Content::Cda(_) | Content::Raw(_) => Err(misfit(rules.first())),
    }
}

/// A rule that is for another form of content.
pub(super) fn misfit(rule: Option<&SealRule>) -> Fault {
    Fault::new(W5012).at(Place::path(rule.map_or("", SealRule::source)))
}

use crate::base::{MessageId, Phi};
use crate::fault::Fault;
use crate::message::{Content, ContentKind};
use std::sync::Arc;

/// Named keys, from a keyring file (bytes handed in).
#[derive(Clone)]
pub struct Keyring(());
impl Keyring {
    pub fn parse(_bytes: &[u8]) -> Result<Self, Fault> {
        todo!()
    }
    pub fn has(&self, _name: &str) -> bool {
        todo!()
    }
    /// Key of the journal at rest (id, 32 bytes).
    pub fn rest_key(&self) -> Result<(Arc<str>, zeroize::Zeroizing<[u8; 32]>), Fault> {
        todo!()
    }
    /// Makes a new keyring text with fresh keys of these names.
    pub fn generate(_names: &[&str], _entropy: &mut dyn FnMut(&mut [u8])) -> String {
        todo!()
    }
}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    Seal,
    Token,
    Drop,
}
/// One `[[encrypt]]` rule, checked: path for v2 or FHIR output.
#[derive(Clone)]
pub struct SealRule(());
impl SealRule {
    pub fn parse(_at: &str, _how: How, _key: &str, _content: ContentKind) -> Result<Self, Fault> {
        todo!()
    }
    pub fn key(&self) -> &str {
        todo!()
    }
}
/// Applies the rules in order to the content that leaves. AAD binds path, message and key id. Returns the sealed content and the paths touched.
pub fn apply(
    _rules: &[SealRule],
    _keyring: &Keyring,
    _message: MessageId,
    _content: Content,
    _entropy: &mut dyn FnMut(&mut [u8]),
) -> Result<(Content, Vec<String>), Fault> {
    todo!()
}
/// Opens every sealed value it finds keys for (`weir unseal`): path, value.
pub fn unseal(_keyring: &Keyring, _content: &Content) -> Result<Vec<(String, Phi<String>)>, Fault> {
    todo!()
}

use crate::base::Timestamp;
use crate::fault::{Fault, Problems};
use crate::fhir::Doc;
use crate::message::{Decision, PatientKey};
use crate::settings::Document;
use std::sync::Arc;

/// A policy file (`policies/hie-default.toml`), checked.
#[derive(Clone, Debug)]
pub struct Policy(());
impl Policy {
    pub fn name(&self) -> &str {
        todo!()
    }
    pub fn read(_file: &Document, _problems: &mut Problems) -> Option<Self> {
        todo!()
    }
}
/// One Consent resource compiled to a small decision program.
#[derive(Clone, Debug)]
pub struct Directive(());
impl Directive {
    /// Compiles a FHIR R4 Consent; also names the patients it binds.
    pub fn compile(
        _consent: &Doc,
        _id: &str,
        _version: u64,
    ) -> Result<(Self, Vec<PatientKey>), Fault> {
        todo!()
    }
}
/// What is asked.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    pub recipient: &'a str,
    pub purpose: &'a str,
    pub action: &'a str,
    /* resource types / classes / security labels the content carries */
    pub classes: &'a [Arc<str>],
    pub labels: &'a [Arc<str>],
    pub now: Timestamp,
}
/// Decides: facility policy, then patient directives; deny overrides unless the policy names another rule.
pub fn decide(_policy: &Policy, _directives: &[Directive], _question: &Question<'_>) -> Decision {
    todo!()
}
/// Gives the directives of a patient (kept by the engine over the store).
pub trait ConsentBook: Send + Sync {
    fn directives(&self, patient: &PatientKey) -> Result<Arc<[Directive]>, Fault>;
}
/// Takes the paths of a redacting verdict out of the content.
pub fn redact(
    _content: crate::message::Content,
    _paths: &[Arc<str>],
) -> Result<crate::message::Content, Fault> {
    todo!()
}

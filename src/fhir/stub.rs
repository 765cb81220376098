use crate::fault::Fault;
use bytes::Bytes;
use std::borrow::Cow;

/// A FHIR document: flat nodes over shared bytes. Cheap to clone (shared, edits copy on write).
#[derive(Clone)]
pub struct Doc(());
#[derive(Clone, Copy)]
pub struct Node<'d>(&'d ());
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NodeId(pub u32);
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeKind {
    Object,
    Array,
    String,
    Number,
    Bool,
    Null,
}

impl Doc {
    pub fn parse_json(_bytes: Bytes) -> Result<Self, Fault> {
        todo!()
    }
    /// Written bytes; identical (no copy) when unedited.
    pub fn to_json(&self) -> Bytes {
        todo!()
    }
    pub fn root(&self) -> Node<'_> {
        todo!()
    }
    pub fn node(&self, _id: NodeId) -> Option<Node<'_>> {
        todo!()
    }
    /// Overlay edits.
    pub fn set_string(&mut self, _id: NodeId, _text: &str) -> Result<(), Fault> {
        todo!()
    }
    /// Replaces a node by a JSON text.
    pub fn set_json(&mut self, _id: NodeId, _json: &str) -> Result<(), Fault> {
        todo!()
    }
    pub fn insert_member(
        &mut self,
        _object: NodeId,
        _name: &str,
        _json: &str,
    ) -> Result<(), Fault> {
        todo!()
    }
    pub fn remove(&mut self, _id: NodeId) -> Result<(), Fault> {
        todo!()
    }
}
impl<'d> Node<'d> {
    pub fn id(&self) -> NodeId {
        todo!()
    }
    pub fn kind(&self) -> NodeKind {
        todo!()
    }
    pub fn get(&self, _name: &str) -> Option<Node<'d>> {
        todo!()
    }
    pub fn members(&self) -> impl Iterator<Item = (&'d str, Node<'d>)> + 'd {
        std::iter::empty()
    }
    pub fn items(&self) -> impl Iterator<Item = Node<'d>> + 'd {
        std::iter::empty()
    }
    /// String content unescaped, number and bool text as written; None for objects, arrays, null.
    pub fn text(&self) -> Option<Cow<'d, str>> {
        todo!()
    }
    /// `Bundle.entry[0].resource.gender`
    pub fn path(&self) -> String {
        todo!()
    }
}

/// Builds a document in writing order (used by mapping).
pub struct Builder(());
impl Builder {
    pub fn new() -> Self {
        todo!()
    }
    pub fn start_object(&mut self) -> &mut Self {
        todo!()
    }
    pub fn end_object(&mut self) -> &mut Self {
        todo!()
    }
    pub fn start_array(&mut self) -> &mut Self {
        todo!()
    }
    pub fn end_array(&mut self) -> &mut Self {
        todo!()
    }
    pub fn name(&mut self, _name: &str) -> &mut Self {
        todo!()
    }
    pub fn string(&mut self, _text: &str) -> &mut Self {
        todo!()
    }
    /// Number text as it shall stand, e.g. `7.10`.
    pub fn number(&mut self, _text: &str) -> &mut Self {
        todo!()
    }
    pub fn bool(&mut self, _value: bool) -> &mut Self {
        todo!()
    }
    pub fn finish(self) -> Doc {
        todo!()
    }
}

/// A compiled path of the FHIRPath subset: members, `[n]`, `where(..)`, `first()`, `ofType(..)`, `exists()`, `count()`, `=`, `!=`, `and`, `or`, `not()`.
/// A leading resource type name (`Patient.identifier`) matches a root of that type, and, applied to a
/// Bundle, every entry's resource of that type.
#[derive(Clone)]
pub struct FhirPath(());
impl FhirPath {
    pub fn parse(_text: &str) -> Result<Self, Fault> {
        todo!()
    }
    pub fn select<'d>(&self, _node: Node<'d>) -> Vec<Node<'d>> {
        todo!()
    }
    /// Truth of the expression on a node.
    pub fn test(&self, _node: Node<'_>) -> bool {
        todo!()
    }
    pub fn source(&self) -> &str {
        todo!()
    }
}

/// Element tables of R4.
pub mod tables {
    /// One element of a type.
    #[derive(Clone, Copy, Debug)]
    pub struct Element {
        /// `Patient.birthDate`; choice elements end in `[x]`.
        pub path: &'static str,
        pub min: u16,
        /// 0 = unbounded
        pub max: u16,
        pub types: &'static [&'static str],
        /// Reference targets (resource names), empty = any.
        pub targets: &'static [&'static str],
        /// required-binding value set url, if the binding is required
        pub required_binding: Option<&'static str>,
        pub content_ref: Option<&'static str>,
    }
    /// Element of a type by its full path (`Patient.contact.name`, `HumanName.family`). Choice: ask with `[x]`.
    pub fn element(_path: &str) -> Option<&'static Element> {
        todo!()
    }
    /// Child elements of a type or backbone path in specification order, inherited included.
    pub fn children(_path: &str) -> Option<&'static [Element]> {
        todo!()
    }
    pub fn is_resource(_name: &str) -> bool {
        todo!()
    }
    pub fn is_primitive(_name: &str) -> bool {
        todo!()
    }
    /// Codes of a value set with a required binding; None when the set is not enumerable here.
    pub fn codes(_value_set: &str) -> Option<Vec<(&'static str, &'static str)>> {
        todo!()
    }
}

/// Structural findings on a document.
pub mod validate {
    use super::Doc;
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Finding {
        pub path: String,
        pub code: &'static str,
        pub what: String,
    }
    /// Unknown elements, cardinality, types, primitive formats, required bindings, required elements.
    pub fn structure(_doc: &Doc) -> Vec<Finding> {
        todo!()
    }
}

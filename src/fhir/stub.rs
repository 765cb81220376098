/// Structural findings on a document.
pub mod validate {
    use crate::fhir::Doc;
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

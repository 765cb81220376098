//! Codes of access and audit.

codes! {
    W8001 Operator "the audit chain is broken",
        "A leaf was changed, removed or put in after it was written, so what follows it proves nothing.",
        "Keep the store as it is, tell the security officer, and compare with the last exported head.";
    W8002 Permanent "an audit leaf cannot be read",
        "A leaf that is not in canonical form cannot be checked against its hash.",
        "Export again with the version that wrote it, or check that the file was not changed on its way.";
}

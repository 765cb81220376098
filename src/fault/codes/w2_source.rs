//! Codes of sources and parsing.

codes! {
    W2700 Permanent "a FHIR message is not UTF-8",
        "FHIR JSON is always UTF-8, and guessing another character set would spoil names.",
        "Send the message in UTF-8.";
    W2701 Permanent "JSON is malformed",
        "A message that cannot be read as a whole is not read in part.",
        "Correct the text at the line and column shown; RFC 8259 has the grammar.";
    W2702 Permanent "a FHIR document is nested too deeply",
        "R4 resources stay below 30 levels; deeper nesting serves to exhaust a reader.",
        "Send the resource with at most 64 levels of objects and arrays.";
    W2703 Permanent "a FHIR document is too large",
        "Offsets in a document are 32 bits wide, and one message must not take all memory.",
        "Split the Bundle into smaller ones.";
    W2704 Permanent "an edit does not fit the FHIR document",
        "The place that a rule wants to change is not there, or is of another kind.",
        "Check the path of the rule against the message.";
}

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
    W2901 Permanent "the channel does not take messages of this type",
        "A channel answers for the messages it was built for; another type was not mapped or tested.",
        "Send it to another channel, or add its type to `accept` of the source.";
    W2902 Permanent "an acknowledgment came in as a message",
        "Acknowledgments are never acknowledged, else two systems would answer each other for ever.",
        "Let the peer send messages on this connection, and acknowledgments only in answer to ours.";
}

//! Codes of keys and encryption.

codes! {
    W5001 Operator "the keyring cannot be read",
        "Without its keys nothing can be sealed, opened or written to the store.",
        "Check that the reference in `[keys]` names a keyring written by `weir init`, of a version this program knows.";
    W5002 Operator "a key of the keyring is not valid",
        "A key that was changed or copied in part would seal what nobody can open again.",
        "Restore the keyring from its backup; do not edit secrets by hand.";
    W5003 Operator "the keyring has no active key of this name",
        "What should be sealed with it cannot leave.",
        "Add the key to the keyring, or name one that is there.";
    W5010 Operator "an encrypt rule names a place that cannot be protected",
        "A rule that does nothing, or breaks the message, would look like protection.",
        "Name a field, component or element that holds a value.";
    W5011 Operator "the place cannot hold a sealed value",
        "Dates, times and numbers have a form that a sealed value or token breaks, and the receiver would refuse the message.",
        "Use `as = \"drop\"` for it, or seal a text field.";
    W5012 Permanent "the content is not of the form that the encrypt rule is for",
        "Sending it would send what the rule protects.",
        "Write the rule for the form that leaves: HL7 v2 paths for HL7 v2, FHIR paths for FHIR.";
    W5013 Permanent "a value cannot be sealed where it stands",
        "Sending it would send what the rule protects.",
        "Use `as = \"drop\"` for it, or ask the sender for usual delimiters.";
    W5014 Operator "an encrypt rule drops an element that must be there",
        "Receivers that check the structure will refuse the resource.",
        "Use `as = \"seal\"` or `as = \"token\"` for it.";
    W5015 Operator "an encrypt rule compares what may have several values",
        "Several values are never equal to one, so an identifier with two codings would leave in the clear.",
        "Compare each value by itself, as in `type.coding.where(code = 'SS').exists()`.";
    W5020 Permanent "a sealed value is cut short or damaged",
        "What it holds is lost in this copy.",
        "Take the message from the sender's or weir's own copy, where it is whole.";
    W5021 Permanent "the key of a sealed value is not in the keyring",
        "Only the holder of that key can open it.",
        "Use the keyring that sealed it, retired keys included.";
    W5022 Permanent "a sealed value belongs to another message",
        "Somebody or something moved a value from one message into another.",
        "Compare with weir's own copy of both messages before you trust either.";
    W5023 Permanent "a sealed value stands in another place than it was sealed in",
        "Somebody or something moved a value within the message, perhaps to another patient.",
        "Put it back in its place, or take weir's own copy of the message.";
    W5024 Permanent "a sealed value was changed",
        "Its seal does not match its content, key, message and place, so it is not what was sealed.",
        "Take the message from weir's own copy.";
}

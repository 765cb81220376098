//! Codes of mapping: W40xx at load, W41xx warnings of a run, W42xx tests, W43xx dead letters.

codes! {
    W4001 Operator "a sentence cannot be read",
        "A rule or condition that cannot be read would never give a value.",
        "Correct the sentence; MAPPING.md lists the words of the language.";
    W4002 Operator "a key or value of the mapping is not one of those it may have",
        "It would be ignored, and what was meant by it would not happen.",
        "Use one of the names given here.";
    W4003 Operator "a path is not in the message structure",
        "The field does not exist there, so the rule would never give a value.",
        "Correct the path, or the structure and version in `[mapping] from`.";
    W4004 Operator "a path repeats and the sentence does not say which to take",
        "Taking any one of several is how results end up with the wrong order.",
        "Say `each`, `all`, `first` or `last`, or choose with a condition in brackets.";
    W4005 Operator "an element is not in FHIR R4",
        "A bundle with it would be refused by every server.",
        "Correct the element; names are those of the specification.";
    W4006 Operator "an element holds one value and would get several, or the reverse",
        "The bundle would not be valid.",
        "Write `name[]` for an element that is a list, and `each` only for those.";
    W4007 Operator "there is no way from this source to this element",
        "No data type map turns one into the other.",
        "Take a component of the source, or name a type with `as`.";
    W4008 Operator "several types of the element fit the source",
        "Each means something else to the reader of the bundle.",
        "Name the type with `as`, such as `as dateTime`.";
    W4009 Operator "a code map cannot be read",
        "Codes would be left out or passed on unmapped.",
        "Give the file the columns `from,to,display` or correct its row.";
    W4010 Operator "a code is outside the value set the element demands",
        "The bundle would not be valid.",
        "Map to a code of the value set, with `via` a code map where the source has codes of its own.";
    W4011 Operator "codes of the source have no row in the code map",
        "What happens to them is not said.",
        "Add rows, or `unmapped = \"keep\"`, `\"drop\"`, `\"dead-letter\"` or a fixed code.";
    W4012 Operator "an element that FHIR demands may stay empty",
        "It then says that the data is absent, which some receivers refuse.",
        "End the sentence with a default: `else 'unknown'`.";
    W4013 Operator "an alternative can never win",
        "One before it always gives a value.",
        "Remove it, or put a condition on the one before.";
    W4014 Operator "a reference goes where it cannot",
        "The rule does not exist, or the element does not refer to what it makes.",
        "Name a rule that makes a resource the element allows.";
    W4015 Operator "several instances fit a reference to one",
        "The structure allows several there, and the element holds one.",
        "Say `first ref`, `last ref`, or refer from a list element with `all ref`.";
    W4016 Operator "a file of the mapping is missing",
        "The mapping is not complete without it.",
        "Put the file there or correct its name.";
    W4017 Operator "the mapping does not say from what to what",
        "Paths cannot be checked without a structure.",
        "Write `from = \"hl7v2:2.5.1:ADT_A01\"` and `to = \"fhir-r4\"` under `[mapping]`.";
    W4018 Operator "an element is written twice",
        "Only one of the values could stay.",
        "Remove one, or make a list of sentences: the first that yields wins.";
    W4019 Operator "keys of rules refer to each other in a circle",
        "Neither id could be made.",
        "Take one `ref` out of the `key`.";
    W4020 Operator "the time zone is not known",
        "Times without an offset would mean nothing.",
        "Write an offset such as `+01:00`, or a name of the time zone database.";
    W4021 Operator "a field that HL7 v2 demands may stay empty",
        "The segment would be refused by a receiver that looks closely.",
        "Add a line for the field.";
    W4101 Permanent "a value does not have the form its element needs",
        "It was left out; the rest of the message went on.",
        "Ask the sender to correct the field named here.";
    W4102 Permanent "a code has no row in its code map",
        "It was left out, or passed on as it came.",
        "Add the code to the code map named here.";
    W4103 Permanent "an element that FHIR demands stayed empty",
        "It says that the data is absent.",
        "Give the rule a default, or ask the sender to fill the field.";
    W4104 Permanent "the key of a resource is empty",
        "Its id comes from the control ID and the position, so a later message makes another one.",
        "Ask the sender to fill the fields of the key, or choose others for it.";
    W4105 Permanent "two resources of a rule have the same key",
        "They were kept apart by their position.",
        "Add to the `key` of the rule what tells them apart.";
    W4106 Permanent "a mapping made nothing of a message",
        "No rule found what it is made from.",
        "Check that the message type belongs to this mapping.";
    W4201 Operator "a test of a mapping failed",
        "The mapping does not do what its author wrote down.",
        "Compare the line named here with the output of `weir explain`.";
    W4301 Permanent "a code must not pass unmapped",
        "The code map says `unmapped = \"dead-letter\"`.",
        "Add the code to the code map, then replay the message.";
    W4302 Permanent "the message is not of the form the mapping reads",
        "A mapping from HL7 v2 cannot read anything else.",
        "Use the mapping on a channel whose messages it is for.";
    W4303 Permanent "a message would make a bundle larger than the limit",
        "One message must not take the memory of all.",
        "Split the message at the sender.";
    W4900 Operator "a rule is still to be written",
        "It stands for a script that was not converted, and nothing may be dropped silently.",
        "Write the rule and remove `todo`.";
}

//! Codes of consent.

codes! {
    W3001 Operator "a purpose of use is not known",
        "A rule for a purpose that no destination can have never applies.",
        "Use a code of HL7 PurposeOfUse, such as `TREAT`, `HPAYMT`, `HOPERAT`, `HRESCH` or `PUBHLTH`.";
    W3002 Operator "a class is not a resource type of FHIR R4",
        "A rule for a class that no content has never applies.",
        "Use a resource type such as `Observation`.";
    W3003 Operator "a rule can never decide",
        "A rule without effect looks like protection or permission that is not there.",
        "Remove the rule, or change its conditions or the rule that stands over it.";
    W3004 Operator "a rule and its paths do not fit",
        "Only `then = \"redact\"` takes paths away, and it needs to know which.",
        "Give `paths` to rules with `then = \"redact\"`, and to no others.";
    W3005 Operator "a policy binds nothing",
        "Without a rule or a default every answer would be `unknown`.",
        "Add a `[[rule]]`, or `default = \"deny\"` to `[policy]`.";
    W3006 Operator "a path to redact cannot be used",
        "What a rule cannot take away would be sent, so messages would be denied instead.",
        "Name a field such as `PID-19`, or an element such as `Patient.address`.";
    W3010 Permanent "the resource is not a valid FHIR R4 Consent",
        "A consent that is not whole could be read in more than one way.",
        "Correct the elements named here and send it again.";
    W3011 Permanent "the consent holds something that weir does not understand",
        "It may change what the consent means, and read without it more might be sent than the patient allowed.",
        "Leave it out or use an element of FHIR R4 that weir knows, and send it again.";
    W3012 Permanent "the consent binds no patient",
        "Without a reference or identifier no message can be matched with it.",
        "Give `Consent.patient` a reference such as `Patient/123` or an identifier with a value.";
    W3013 Permanent "the consent says neither permit nor deny",
        "Nothing can be decided by it.",
        "Give `provision.type`, or a `policyRule` of OPTIN or OPTOUT.";
    W3014 Permanent "the consent has too many or too deep provisions",
        "Deciding must take microseconds for every message.",
        "Keep to 8 levels and 1000 provisions; split it into several consents.";
    W3015 Permanent "a time in the consent cannot be read",
        "A period without known bounds could permit for ever.",
        "Write dates as `2026-01-02` and moments as `2026-01-02T03:04:05Z`.";
    W3020 Permanent "the content cannot be redacted as consent asks",
        "It is not sent, since it would say what must be left out.",
        "Give the rule a path of the form that the channel takes: `PID-19` for HL7 v2, `Patient.address` for FHIR.";
    W3901 Permanent "consent lets the message go to none of its destinations",
        "The channel refuses such messages (`on_deny = \"nak\"`), so the sender keeps it.",
        "See which rule decided with `weir trace ID`, and record the patient's consent if there is one.";
}

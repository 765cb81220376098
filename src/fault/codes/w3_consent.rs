//! Codes of consent.

codes! {
    W3901 Permanent "consent lets the message go to none of its destinations",
        "The channel refuses such messages (`on_deny = \"nak\"`), so the sender keeps it.",
        "See which rule decided with `weir trace ID`, and record the patient's consent if there is one.";
}

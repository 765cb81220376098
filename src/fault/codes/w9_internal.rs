//! Codes of weir's own faults.

codes! {
    W9001 Bug "weir met a condition it holds to be impossible",
        "The message is kept as dead and the engine goes on, but its cause is in weir itself.",
        "Report this with the code, the place and the version printed by `weir --version`.";
    W9002 Bug "a step of the pipeline panicked",
        "The original message is kept as dead with this code, so nothing is lost.",
        "Report this with the place named here, then replay the message after an upgrade.";
}

//! Codes of access and audit.

codes! {
    W8001 Operator "the audit chain is broken",
        "A leaf was changed, removed or put in after it was written, so what follows it proves nothing.",
        "Keep the store as it is, tell the security officer, and compare with the last exported head.";
    W8002 Permanent "an audit leaf cannot be read",
        "A leaf that is not in canonical form cannot be checked against its hash.",
        "Export again with the version that wrote it, or check that the file was not changed on its way.";
    W8901 Permanent "a reason is needed",
        "What is done to messages of patients, or who looked at them, must be explained later.",
        "Say why with `--reason TEXT`.";
    W8902 Permanent "a filter is needed",
        "An action on every delivery at once is never meant.",
        "Name at least a channel, such as `channel:adt-main`.";
    W8903 Permanent "the request cannot be read",
        "Nothing was done.",
        "Compare it with `docs/api.md`; unknown members are refused so that none is ignored by mistake.";
    W8904 Operator "the admin listener needs TLS and sign-in",
        "Patient data must not cross a network in clear, so only the socket is served.",
        "Listen on a loopback address, or use the socket.";
    W8905 Operator "the admin socket or listener cannot be opened",
        "Neither commands nor probes would reach the engine, so it was not started.",
        "See whether another weir or program has the address, whether the directory of the \
         socket can be written, and whether its path is below 108 bytes.";
}

//! Codes of configuration.

codes! {
    W1001 Operator "TOML cannot be read here",
        "What follows the mistake may be understood wrongly, so nothing of the file is used.",
        "Correct the line; an editor with TOML support shows the place.";
    W1002 Operator "a key is given twice",
        "Only one of the two could count, and which one would be a guess.",
        "Remove one of them.";
    W1003 Operator "not TOML 1.0",
        "Editors and other tools refuse this newer form, so files would stop being portable.",
        "Write the inline table on one line without a comma at its end, or as a `[table]`.";
    W1004 Operator "a file cannot be read",
        "What it configures is unknown, so nothing is started from a part of it.",
        "Check that the file exists, that its permissions let weir read it, and its spelling.";
    W1005 Operator "a file is too large or nested too deeply",
        "Settings are read by hand-made limits, so that a wrong file cannot take all memory.",
        "Check that the file is the one you mean, and split it if it is.";
    W1010 Operator "a required key is missing",
        "There is no default that would be right everywhere.",
        "Add the key.";
    W1011 Operator "a value of another kind is expected",
        "weir guesses nothing from values of another kind.",
        "Write a value of the kind named.";
    W1012 Operator "unknown key",
        "A misspelled key would otherwise be ignored, and its default used unnoticed.",
        "Remove the key, or see the reference of settings for its name.";
    W1013 Operator "unknown word",
        "Only a fixed set of words has a meaning here.",
        "Use one of the words listed.";
    W1014 Operator "a required table is missing",
        "There is no default that would be right everywhere.",
        "Add the table.";
    W1021 Operator "a value is out of its limits",
        "The limit protects memory, disk or peers.",
        "Use a value within the limits named.";
    W1022 Operator "a quantity without a known unit",
        "A bare number could be seconds or milliseconds, bytes or megabytes; weir does not guess.",
        "Write a number with a unit, such as `5s`, `10m`, `30d` or `10 MiB`.";
    W1031 Operator "a secret stands in the file",
        "Files are kept in version control and are read by many; a secret there is no secret.",
        "Put a reference there: `env:NAME`, `file:/path`, `cred:NAME` or `exec:NAME`.";
    W1032 Operator "a secret cannot be resolved",
        "What needs it cannot be started.",
        "Check the variable, file, credential or program that the reference names.";
    W1040 Operator "unknown type of source or destination",
        "weir has no connector of this name.",
        "Use one of the types listed by the reference of settings.";
    W1041 Operator "a name is used twice",
        "Names tell channels and destinations apart in queues, ledgers, metrics and commands.",
        "Rename one of them.";
    W1042 Operator "an address is used by two listeners",
        "Only one of them could take connections.",
        "Give one of them another port.";
    W1043 Operator "a file that is named here does not exist",
        "The channel would run without what the file says.",
        "Check the path; it is relative to the root of the configuration.";
    W1044 Operator "a pattern matches no file",
        "An empty match is nearly always a misspelled path.",
        "Check the pattern; it is relative to the root of the configuration.";
    W1045 Operator "a site changes something that does not exist",
        "The setting would have no effect, unnoticed.",
        "Correct the name; a site file can only change channels and destinations that exist.";
    W1046 Operator "unknown policy",
        "Without its policy a channel cannot decide about consent.",
        "Use the name of a file in `policies/`, without its ending.";
    W1047 Operator "unknown key in the keyring",
        "Nothing could be sealed or tokenized with it.",
        "Use the name of a key of the keyring, or add a `[[key]]` of this name to it.";
    W1048 Operator "the keyring cannot be read now",
        "The names of keys could not be checked; `weir run` needs the keyring.",
        "Make it readable for whoever checks; `weir run` makes one where there is none and \
         nothing is stored yet.";
    W1049 Operator "a channel without a consent gate does not say why",
        "Sending without asking for consent must be a decision somebody wrote down.",
        "Add `why = \"..\"` to `[consent]`, or name a policy.";
    W1050 Operator "not available yet",
        "Ignoring the setting would promise a protection that does not run.",
        "Remove it, or wait for the version that has it.";
    W1051 Operator "a test expects nothing that can be checked",
        "A test that cannot fail tells nothing.",
        "Add what the test expects: `ack`, `sent`, `expect`, `absent`, `sealed`, `golden` or `code`.";
    W1052 Operator "unknown destination",
        "The channel has no destination of this name.",
        "Use the name of one of the channel's destinations.";
    W1053 Operator "an expression cannot be read",
        "It would never match, or match something else.",
        "Correct the expression at the place shown.";
    W1054 Operator "a channel has no destination",
        "Its messages would be stored and never sent.",
        "Add a `[destination.NAME]`.";
    W1055 Operator "unknown program",
        "`exec:` references name programs of config.toml; none runs without being listed there.",
        "Add `[exec.NAME]` with `argv` to config.toml.";
    W1056 Operator "unknown notification",
        "The alert would reach nobody.",
        "Use the name of a `[notify.NAME]` of config.toml.";
    W1057 Operator "a destination gets a form it cannot send",
        "Every message would end as a dead letter.",
        "Give the destination a mapping to its form with `map`, or the channel with `[map]`.";
    W1058 Operator "a rule of `[[encrypt]]` protects nothing",
        "What it should protect would leave in clear.",
        "Write the path in the form in which messages leave the channel.";
    W1059 Operator "something this machine should have is not there",
        "The configuration is right, but here it could not be started.",
        "Make it before `weir run`, or check on the machine that will run it.";
    W1060 Permanent "no alert has this name",
        "Nothing was done.",
        "List the alerts with `weir alert ls`.";
    W1065 Operator "a file destination writes where weir keeps or takes its own files",
        "It would damage the journal, or weir would take in again what it wrote, for ever.",
        "Give the destination a directory of its own.";
    W1066 Operator "a path names what no version of HL7 v2 has",
        "It never finds anything: what it should protect leaves in clear, whom it names is unknown.",
        "Compare it with `weir view` of a message; `hl7/*.toml` may define more for a site.";
    W1067 Operator "a path is in a form that the channel does not take",
        "It never finds anything in the messages of this channel.",
        "Write it as `PID-3.1` for HL7 v2; a FHIRPath reads FHIR.";
}

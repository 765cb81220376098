//! Codes of sources and parsing.

codes! {
    W2301 Operator "the address of a source cannot be listened on",
        "Nothing reaches this channel until it listens; another process may hold the port.",
        "Free the port or change `listen`, then run `weir reload`.";
    W2302 Permanent "a peer outside the allow list tried to connect",
        "The connection was closed before a byte was read.",
        "Add its network to `allow` of the source when it belongs to a known sender.";
    W2303 Transient "a source has as many connections as it may",
        "A new connection was closed at once; the sender tries again.",
        "Look for peers that open connections and leave them, or raise `max_connections`.";
    W2304 Transient "a frame was begun and not finished in time",
        "The connection was closed; the part of the message that came was never accepted.",
        "Ask the sender's side about cut messages, or raise `frame_timeout` for slow lines.";
    W2305 Transient "a connection was silent for longer than the idle time-out",
        "It was closed at a message boundary; the sender connects again when it has something.",
        "Raise or remove `idle_timeout` when the sender does not connect again by itself.";
    W2306 Transient "a peer did not read its answer in time",
        "The connection was closed so that the answer takes no memory; the message is safe.",
        "Ask the sender's side why it stopped reading, or raise `write_timeout`.";
    W2307 Transient "a connection ended within a frame",
        "The part of the message that came was not accepted; the sender has no answer for it.",
        "Nothing, when the sender sends the message again; else ask its side about resets.";
    W2308 Permanent "TLS with a peer could not be set up",
        "The connection was closed before a message was read.",
        "Compare the peer's certificate with `client_ca` and its date, and see the cause.";
    W2309 Permanent "a peer sent too many bytes outside frames",
        "The connection was closed: this does not look like MLLP.",
        "Find out what connects to this port; a health check should use the metrics listener.";
    W2310 Transient "a connection of a source failed",
        "Messages that were answered are safe; the sender sends the others again.",
        "Look at the network between the peer and this machine when it happens often.";
    W2311 Transient "a connection could not be accepted",
        "New senders wait until the machine has room for connections again.",
        "Raise the limit of open files (`LimitNOFILE`) or look for what uses them.";
    W2401 Operator "the directory of a file source cannot be read",
        "No file is taken from it until it can.",
        "Make the directory and give weir's user the right to read and write it.";
    W2402 Operator "a file of a file source cannot be read",
        "It stays where it is and is tried again at every look.",
        "Give weir's user the right to read it, or take it out of the directory.";
    W2403 Operator "a taken file cannot be moved or deleted",
        "Its messages are safe and are not taken twice while weir runs; moving is tried again.",
        "Let `then` name a directory on the same file system that weir's user may write.";
    W2404 Permanent "a message of a file is larger than `max_size`",
        "It was refused and is named in the `.errors` file; the others were taken.",
        "Raise `max_size` of the source, then put the file back.";
    W2405 Permanent "a file holds no message",
        "It was moved on with nothing taken from it.",
        "Compare `split` of the source with what the file holds.";
    W2406 Transient "a message of a file could not be kept",
        "The file stays and is taken from this message on after a pause.",
        "See the cause; free space in the store when it is full.";
    W2407 Permanent "bytes of a batch belong to no message",
        "They stand before the first MSH or after the end of a batch, so nobody would read them.",
        "Correct the file, or choose another `split`.";
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
    W2710 Permanent "a FHIRPath cannot be read",
        "A path that weir does not understand as a whole is never run in part.",
        "Correct the path at the column shown.";
    W2711 Permanent "a FHIRPath looked at too many items",
        "Conditions inside conditions over a large Bundle would hold up every other message.",
        "Make the path more direct, or split the Bundle into smaller ones.";
    W2720 Permanent "this is not a FHIR resource",
        "Every resource says in `resourceType` what it is; without that nothing can be checked.",
        "Send a resource of R4 with its `resourceType`.";
    W2721 Permanent "an element is unknown to R4 in this place",
        "A receiver would refuse the resource or lose what the element says.",
        "Correct the name of the element, or put its value into an extension.";
    W2722 Permanent "a required element is missing",
        "A receiver relies on elements that R4 requires.",
        "Give the element a value.";
    W2723 Permanent "an element has more values than it may",
        "A receiver takes one of them or none, and which is chance.",
        "Send as many values as R4 allows.";
    W2724 Permanent "a value has the wrong JSON type",
        "R4 fixes which elements are texts, numbers, Booleans, objects and arrays.",
        "Write the value as the JSON type shown.";
    W2725 Permanent "a value does not have the form of its type",
        "A date that is no date, or an id with blanks, cannot be stored or searched.",
        "Write the value in the form of its FHIR type.";
    W2726 Permanent "a code is not one of those required",
        "With a required binding, other codes have no meaning to a receiver.",
        "Use a code of the value set shown, as by a code map.";
    W2727 Permanent "an element with a choice of types has more than one value",
        "R4 allows one member of a choice such as `value[x]`.",
        "Send only one of the members.";
    W2728 Permanent "an extension is malformed",
        "An extension has a `url`, and either a value or extensions of its own.",
        "Give the extension a `url` and one of the two.";
    W2729 Permanent "a reference points to a type that it may not",
        "A receiver looks for the target among the types that R4 allows.",
        "Let the reference point to one of the types shown.";
    W2730 Permanent "an object, array or text is empty",
        "FHIR has no empty values: an element is there with content or not at all.",
        "Leave the element out.";
    W2731 Permanent "a member stands twice in one object",
        "Readers differ in which of the two they take.",
        "Send the member once.";
    W2732 Permanent "extensions of a primitive do not fit its values",
        "An array of values and the array of their extensions must have the same length.",
        "Fill the places without a value or extension with `null`.";
    W2733 Permanent "the check of structure was broken off",
        "A document with this many findings is not FHIR, and more would not help.",
        "Correct the findings shown first.";
    W2740 Permanent "a FHIR resource cannot be read as the type expected",
        "weir itself has to understand this resource, and its structure is not that of R4.",
        "Correct the element shown.";
    W2901 Permanent "the channel does not take messages of this type",
        "A channel answers for the messages it was built for; another type was not mapped or tested.",
        "Send it to another channel, or add its type to `accept` of the source.";
    W2902 Permanent "an acknowledgment came in as a message",
        "Acknowledgments are never acknowledged, else two systems would answer each other for ever.",
        "Let the peer send messages on this connection, and acknowledgments only in answer to ours.";
}

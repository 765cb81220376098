//! Codes of delivery.

codes! {
    W7101 Transient "connection refused",
        "The peer's machine answers but nothing listens there; the message waits.",
        "Start the receiving system, or correct the address of the destination.";
    W7102 Permanent "the peer refused the content",
        "Sending the same again gives the same answer.",
        "Look at the message in the dashboard, correct the mapping, then replay it.";
    W7103 Transient "the name of the peer cannot be resolved",
        "Without an address nothing can be sent; the message waits.",
        "Check the host name in the destination and the name service of this machine.";
    W7104 Transient "the peer cannot be reached",
        "The network gives no way to it; the message waits.",
        "Check routes and firewalls between this machine and the peer.";
    W7105 Transient "the peer did not answer the connection in time",
        "Packets may be dropped on the way; the message waits.",
        "Check firewalls between this machine and the peer.";
    W7106 Transient "TLS with the peer could not be set up",
        "Nothing was sent; the message waits until the certificates fit.",
        "Compare `ca`, certificate dates and the peer's name, then run `weir reload`.";
    W7107 Transient "the connection broke before the answer came",
        "The peer may have the message; it is sent again with the same control ID.",
        "Look at the peer's log when it happens often.";
    W7108 Transient "no answer came in time",
        "The peer may have the message; it is sent again with the same control ID.",
        "Ask why the peer is slow, or raise `ack_timeout` or `timeout` of the destination.";
    W7109 Transient "the peer's answer cannot be understood",
        "Without a readable answer the message does not count as delivered.",
        "Check that the address belongs to the right kind of system.";
    W7110 Transient "the peer answered for another message",
        "The connection is out of step and was closed; the message is sent again.",
        "Ask the peer's side to send back MSH-10 unchanged in MSA-2.";
    W7111 Transient "the peer could not keep the message",
        "It answered with NAK of MLLP release 2; the message is sent again.",
        "Ask the operator of the peer, whose disk may be full.";
    W7112 Operator "the peer does not follow the sequence number protocol",
        "It did not say in MSA-4 which number it expects, so no message can be numbered.",
        "Leave out `sequence` of the destination, or have the peer answer number 0 by MSA-4.";
    W7113 Transient "the peer expects another sequence number",
        "Another sender uses the link; the message is sent again with the number expected.",
        "Let one destination alone send to the peer under these names in MSH-3 and MSH-4.";
    W7201 Permanent "the peer rejected the message",
        "It answered AR or CR: the message does not suit it, now or later.",
        "Look at the message and the peer's log, correct the mapping, then replay it.";
    W7202 Transient "the peer could not take the message now",
        "It answered AE or CE without naming an error in the message; it is tried again.",
        "Look at the peer's log when it does not end by itself.";
    W7203 Permanent "the peer found an error in the message",
        "It answered AE or CE with an error in the data, which stays when sent again.",
        "Look at the place named by the peer, correct the mapping, then replay it.";
    W7204 Permanent "the message has no control ID",
        "An answer could not be matched with it.",
        "Let the mapping set MSH-10.";
    W7205 Permanent "the body does not suit this kind of destination",
        "An MLLP peer takes HL7 v2 and a FHIR server takes FHIR JSON.",
        "Give the destination a mapping to the form it takes, or change its `type`.";
    W7206 Permanent "the body holds the bytes that frame messages",
        "A start block (0x0B) or end block (0x1C) inside would cut the message in two at the peer.",
        "Remove these characters in the mapping, or have the sender escape them as `\\X0B\\` and `\\X1C\\`.";
    W7220 Transient "the server still works on the message",
        "It took the message and tells at an address of its own when it is done; weir asks there.",
        "Wait; raise `retry.max` when the server needs hours.";
    W7221 Transient "somebody else keeps changing the same resource",
        "Each time the update was sent over the current version, that version was another.",
        "See who else writes this resource, and let one of the two do it.";
    W7222 Permanent "the server does not speak FHIR R4",
        "What is sent would be refused or, worse, understood otherwise.",
        "Point `url` to the R4 base of the server.";
    W7223 Permanent "the server does not offer what is going to be sent",
        "Its CapabilityStatement lacks it; messages would be refused when they come.",
        "Ask the server's operator, or change what the channel accepts or its mapping makes.";
    W7224 Transient "the server does not say what it offers",
        "Without its CapabilityStatement nobody can tell whether it takes the messages.",
        "Check that `url` is the base of a FHIR server: `metadata` below it must answer.";
    W7301 Operator "the server does not let weir in",
        "It answered 401 or 403; nothing can be delivered until the rights are set.",
        "Check `auth` of the destination and the rights of the client at the server.";
    W7302 Transient "the server has trouble of its own",
        "It answered 408 or 5xx; the message waits.",
        "Look at the server's log when it does not end by itself.";
    W7303 Transient "the server asks to be called less often",
        "It answered 429; the message waits as long as it asks.",
        "Lower `rate` or `parallel` of the destination.";
    W7304 Permanent "the server gave an answer that does not belong here",
        "A redirect or an unexpected status does not prove that the message arrived.",
        "Check that `url` is the base of a FHIR R4 server.";
    W7305 Permanent "the server refused an entry of the bundle",
        "The other entries of a batch may have been written.",
        "Look at the entry named here, correct the mapping, then replay the message.";
    W7306 Operator "the token endpoint does not know weir",
        "Without a token nothing can be delivered.",
        "Check `client_id`, `key` and the registration of the public key at the server.";
    W7307 Transient "no token could be fetched",
        "The message waits until the token endpoint answers.",
        "Check `token_url` and the server's `.well-known/smart-configuration`.";
    W7308 Permanent "the answer is larger than weir reads",
        "What became of each entry is not known; they may have been written.",
        "Send smaller bundles, then look at the server before replaying.";
    W7310 Transient "a message that went together with others was not answered",
        "The server may have carried it out; it is tried again, and goes alone after two attempts.",
        "Look at the server's log; leave out `batch` of the destination when it happens often.";
    W7311 Permanent "batches cannot be as large as the settings say",
        "A batch holds one message of each lane that is worked on.",
        "Raise `parallel`, and let `order_by` of the channel make lanes, such as one a patient.";
    W7401 Operator "the directory of a file destination cannot be written",
        "No file is written until it can; the messages wait.",
        "Make the directory and give weir's user the right to write it.";
    W7402 Transient "a file could not be written",
        "The message waits; no half-written file is left under its name.",
        "Look at free space and health of the disk.";
    W7403 Operator "a file with other content lies under the name of a message",
        "It is not replaced, because that would lose what it holds.",
        "Move the file away, then retry.";
    W7501 Operator "a certificate file cannot be used",
        "TLS cannot be set up without it.",
        "Put a PEM file with at least one certificate there, readable for weir's user.";
    W7502 Operator "a private key cannot be used",
        "TLS and signed tokens cannot be made without it.",
        "Provide the key that belongs to the certificate or registration, in PEM or as a JWK.";
    W7504 Operator "programs for secrets are switched off",
        "An `exec:` secret runs a program, which must be named in config.toml first.",
        "Use `env:`, `file:` or `cred:`, or name the program in `[exec.NAME]`.";
    W7505 Operator "an address of a destination cannot be used",
        "Nothing can be sent to it.",
        "Write `host:port` or a URL such as `https://fhir.example/r4`.";
    W7600 Permanent "the record store takes FHIR resources only",
        "Versions, searches and references need a resource of R4 in JSON.",
        "Map the message to FHIR, or send it to a destination of another kind.";
    W7601 Permanent "there is no such resource",
        "Nothing was read or changed.",
        "Look at type and id; `weir records ls` counts what a collection has.";
    W7602 Permanent "the resource was deleted",
        "Its versions stay in its history; the resource itself is gone.",
        "Read `_history` of the resource, or create it again by an update.";
    W7603 Permanent "the resource has another version than the write expects",
        "Somebody changed it meanwhile; writing over it would lose that change.",
        "Read the resource, make the change again and send it with the new version.";
    W7604 Permanent "the condition of a write fits more than one resource",
        "It cannot be known which of them is meant.",
        "Use a condition that fits one resource, such as `identifier=SYSTEM|VALUE`.";
    W7605 Permanent "the id of a resource is not that of its address",
        "It cannot be known which of the two is meant.",
        "Send the resource under its own id.";
    W7606 Permanent "an entry of a Bundle cannot be carried out",
        "Each entry of a transaction or batch says by method and URL what is to be done.",
        "Give the entry a `request` with a method and a URL that fit its resource.";
    W7607 Permanent "entries of a batch were refused",
        "The other entries of the batch were written; these were not.",
        "See the place and code of the first; correct the entries and send them again.";
    W7608 Permanent "the Bundle is of a type that is not written",
        "Transactions, batches, messages, documents and collections hold resources to write.",
        "Send a Bundle of one of these types.";
    W7609 Permanent "a conditional reference fits no resource, or several",
        "The reference would point nowhere; nothing was written.",
        "Send the resource it refers to first, or with it in the same transaction.";
    W7610 Permanent "a search parameter is not known",
        "The search asks for strict handling, so it is refused instead of finding too much.",
        "Leave the parameter out; the CapabilityStatement lists those of each type.";
    W7611 Permanent "a value of a search does not fit its parameter",
        "What is meant is not clear, and finding too much would be worse than an error.",
        "Write the value as FHIR R4 search.html says, such as `birthdate=ge1970-01-01`.";
    W7612 Permanent "the search would take too much",
        "A search looks at a bounded number of resources, so that it holds up nobody else.",
        "Add a condition that fits fewer, such as `identifier`, `patient` or `date`.";
    W7613 Permanent "this is not a page of the search",
        "Links to further pages are made by the server and are not to be changed.",
        "Begin again with the first page.";
    W7614 Permanent "the export of records cannot be begun",
        "Nothing was read or written.",
        "Name types of R4 and a time such as `2026-01-31`; see `weir records export --help`.";
    W7901 Transient "the destination did not answer in time",
        "Without an answer weir cannot know whether the peer has the message, so it is sent again.",
        "See whether the peer is slow; raise `timeout` of the destination if it needs longer.";
    W7902 Transient "a notice did not reach its receiver",
        "People were not told of an alert this way; `weir alert ls` shows it.",
        "Check the address or program of the `[notify.NAME]`, then try it with `weir alert test`.";
}

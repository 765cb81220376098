//! Codes of sources and parsing: W2001 to W2299 of HL7 v2, from W2300 of the connectors.

codes! {
    W2001 Permanent "the message has no content",
        "There is nothing to process, and no control ID that an answer could name.",
        "Let the sender put one message, beginning with `MSH`, into each frame or file.";
    W2002 Permanent "the message does not begin with an MSH segment",
        "Without MSH nothing is known of the sender, the type or the delimiters.",
        "Let the sender begin each message with `MSH` in capitals, straight after the start block.";
    W2003 Permanent "MSH ends before its delimiters",
        "The field separator and the encoding characters are needed to read anything else.",
        "Let the sender begin with `MSH|^~\\&|` and the fields that follow.";
    W2004 Permanent "MSH-1 and MSH-2 do not declare usable delimiters",
        "Fields, components and repetitions cannot be told apart without them.",
        "Let the sender use four different punctuation characters in MSH-2, best `^~\\&`.";
    W2005 Permanent "the content is a batch, not one message",
        "A batch holds several messages, each with a fate and an answer of its own.",
        "Read it from a source that splits batches, such as `split = \"hl7-batch\"`.";
    W2006 Permanent "the message has more segments than weir takes",
        "One message must not take the memory and time of all others.",
        "Let the sender split the message, for instance by order.";
    W2007 Permanent "the message is longer than weir takes",
        "Offsets in a message are 32 bits wide, and memory has to stay bounded.",
        "Let the sender split the message or send documents by reference.";
    W2008 Permanent "the message deviates from the standard in a way that is not tolerated here",
        "Reading on would be a guess about what the sender means, or hide that it changed.",
        "Let the sender write what the standard says, or add the name to `tolerance` of the source.";
    W2010 Permanent "MSH-9 names no message type",
        "What is to be done with a message follows from its type.",
        "Let the sender fill MSH-9, such as `ADT^A01^ADT_A01`.";
    W2011 Permanent "MSH-10 holds no control ID",
        "An answer could not be matched to the message, nor a repeated message be known.",
        "Let the sender fill MSH-10 with a value of its own for each message.";
    W2012 Permanent "MSH-12 names no HL7 version",
        "Field names, types and the form of the answer depend on the version.",
        "Let the sender fill MSH-12, such as `2.5.1`.";
    W2013 Permanent "MSH-12 names an unknown HL7 version",
        "Fields are then read by the rules of the nearest version known.",
        "Let the sender name a version from 2.1 to 2.8.2.";
    W2014 Permanent "the channel does not take this message type",
        "Only types that the channel names are mapped and delivered.",
        "Add the type to `accept` of the source, or let the sender leave it out.";
    W2015 Permanent "the channel does not take this trigger event",
        "Only events that the channel names are mapped and delivered.",
        "Add the type with its event to `accept` of the source, or let the sender leave it out.";
    W2016 Permanent "the channel does not take this processing ID",
        "Test and production messages must not mix.",
        "Compare MSH-11 of the sender with the channel.";
    W2017 Permanent "an acknowledgment arrived where messages are taken",
        "An acknowledgment is never acknowledged: two engines would answer each other forever.",
        "Point the sender of acknowledgments to the connection on which it received the message.";
    W2018 Permanent "one frame holds several messages without a batch envelope",
        "An answer to the first alone would hide the fate of the others.",
        "Let the sender put each message into a frame of its own, or wrap them in BHS and BTS.";
    W2020 Permanent "a frame is larger than the limit",
        "The frame is refused while it arrives, so that memory stays bounded.",
        "Raise `max_size` of the source, or let the sender send less at once.";
    W2021 Permanent "MLLP framing is broken",
        "Where one message ends and the next begins is not certain any more.",
        "Let the sender write VT, the message, FS and CR; or set `framing = \"lenient\"`.";
    W2030 Permanent "not a path into an HL7 v2 message",
        "Paths say which segment, field, repetition, component and subcomponent is meant.",
        "Write paths such as `PID-3[2].4.1`, `OBX[3]-5` or `ORDER_OBSERVATION[2].OBX-5`.";
    W2031 Permanent "this place of a message cannot be changed",
        "MSH-1 and MSH-2 declare the delimiters in which all the rest is written.",
        "Choose a path to a field, or build a new message with other delimiters.";
    W2032 Permanent "a path counts further than weir writes",
        "Missing places before it would have to be filled with empty ones.",
        "Check the numbers in the path.";
    W2033 Permanent "there is no such segment to change",
        "A value can be put into a segment that is there or into the next one of its kind.",
        "Insert the segment first.";
    W2034 Permanent "the text cannot be written in this message",
        "The message declares no escape character, or a character set without this character.",
        "Let the sender declare an escape character in MSH-2 and `UNICODE UTF-8` in MSH-18.";
    W2040 Permanent "the answer is not an acknowledgment",
        "Without MSA nothing says whether the peer took the message.",
        "Check that the peer is an HL7 listener and answers with MSH and MSA.";
    W2050 Permanent "the batch envelope is broken",
        "FHS, BHS, BTS and FTS have to stand around whole messages.",
        "Let the sender write FHS, BHS, messages, BTS and FTS in this order.";
    W2051 Permanent "the count of the batch trailer differs from what is there",
        "Messages may be missing from the file.",
        "Compare the file with the sender's; BTS-1 counts messages and FTS-1 batches.";
    W2052 Permanent "a message in fragments is not complete",
        "Part of the message would be missing without anyone noticing.",
        "Let the sender send all fragments in order, each with the pointer of the one before.";
    W2060 Permanent "bytes do not fit the declared character set",
        "Text is shown with a replacement character where a byte means nothing.",
        "Let the sender name in MSH-18 the character set that it writes.";
    W2061 Permanent "MSH-18 names a character set that weir does not know",
        "Text is read as UTF-8 where it can be, else as 8859/1.",
        "Let the sender use `UNICODE UTF-8`.";
    W2062 Permanent "MSH-18 names another character set than the one in use",
        "Letters beyond ASCII are read as other letters, and nothing else would show it.",
        "Let the sender name in MSH-18 the set that it writes, or set `charset` of the source.";
    W2070 Permanent "this is no message in HL7 v2 XML",
        "Elements that are passed over would be values that nobody sees.",
        "Send XML in the namespace `urn:hl7-org:v2xml`, named by structure and data types.";
    W2071 Permanent "a message is nested too deeply or grows too large when it is read",
        "Such a document serves to exhaust a reader; no message looks like it.",
        "Let the sender write values at the places that the standard has for them.";
    W2072 Permanent "a document type or an entity is declared in XML",
        "Entities can name files and grow without end, so none are expanded.",
        "Let the sender leave out `<!DOCTYPE` and write characters as such.";
    W2073 Permanent "this is not the JSON form of an HL7 v2 message",
        "A value that stands in no known place would be lost.",
        "Take the form that `weir view -o json` writes; fields are lists of repetitions.";
    W2080 Permanent "the sequence number is not the one that is expected",
        "A message before it is missing, or this one came before; order would be lost.",
        "Let the sender go on from MSA-4 of the answer, or begin anew with -1 in MSH-13.";
    W2081 Permanent "the message has no usable sequence number",
        "Without a number in MSH-13 nobody can tell whether a message is missing.",
        "Let the sender number its messages, or set `sequence` of the source to `check`.";
    W2082 Permanent "a message that starts the link carries more than its header",
        "The numbers 0 and -1 in MSH-13 only ask for the number to go on with; what stands \
         beside would be lost.",
        "Let the sender send the content in a message with a number of its own.";
    W2083 Permanent "too many senders number their messages on one channel",
        "The number that is expected is kept for each sender, and their number has a bound.",
        "Check MSH-3 and MSH-4 of the senders: they name the link and do not change.";
    W2100 Permanent "segments do not stand in the order of the message structure",
        "Values may belong to another group than the sender means.",
        "Compare the message with the structure named in MSH-9.";
    W2101 Permanent "a required segment is missing",
        "What the segment would say is needed for what follows.",
        "Let the sender send the segment.";
    W2102 Permanent "a value does not have the form of its data type",
        "Receivers would refuse or misread it.",
        "Let the sender correct the value at this place.";
    W2103 Permanent "a code is not in its table",
        "The meaning of the code is not known.",
        "Let the sender use a code of the table, or add it to the table of the site.";
    W2104 Permanent "a required field is empty",
        "What the field would say is needed for what follows.",
        "Let the sender fill the field.";
    W2105 Permanent "a value is longer than allowed",
        "Receivers may cut it off.",
        "Let the sender shorten the value.";
    W2106 Permanent "a field repeats more often than allowed",
        "Receivers keep the first values and lose the others.",
        "Let the sender send as many repetitions as the field may have.";
    W2107 Permanent "a value has more parts than its data type",
        "Receivers ignore the parts they do not know; most often a delimiter was not escaped.",
        "Let the sender leave out the parts, or escape delimiters in text (`\\S\\` for `^`).";
    W2108 Permanent "a segment is not part of the message structure",
        "Receivers ignore segments that they do not expect.",
        "Compare MSH-9 with what the sender means, or declare a segment of the site in `hl7/`.";
    W2109 Permanent "a segment stands more often than the message structure allows",
        "Receivers keep one of them, and which is chance.",
        "Let the sender send it once, or a message for each.";
    W2110 Permanent "a required group is missing",
        "What its segments would say is needed for what follows.",
        "Let the sender send the segments of the group.";
    W2111 Permanent "a segment has more fields than its version defines",
        "Receivers ignore fields that they do not know.",
        "Compare MSH-12 with the version the sender means, or declare the field in `hl7/`.";
    W2112 Permanent "a code is in its table, but not in this version",
        "A receiver of this version may not know it.",
        "Let the sender use a code of its version, or name the version it means in MSH-12.";
    W2113 Permanent "a field is used that was withdrawn",
        "Receivers of this version ignore it.",
        "Let the sender use the field that took its place.";
    W2114 Permanent "a field is used that is kept for older versions only",
        "It has a better successor, which receivers look at first.",
        "Let the sender use the field that took its place as well.";
    W2115 Permanent "fields of a segment do not go together",
        "What one of them says cannot be understood without the other.",
        "Let the sender fill both, or neither.";
    W2116 Permanent "a rule of the site is not met",
        "The channel asks for more than the standard does.",
        "See the rule in the profile of the channel.";
    W2117 Permanent "times stand in the wrong order",
        "One of them is mistaken, and nobody can tell which.",
        "Let the sender correct the times.";
    W2118 Permanent "a required component is empty",
        "Without it the value cannot be told from others.",
        "Let the sender fill the component.";
    W2119 Permanent "an escape sequence is broken or unknown",
        "It is kept as it came, so the text reads differently in each system.",
        "Let the sender write the escape character itself as `\\E\\`.";
    W2120 Permanent "no message structure is known for this type",
        "Only the segments can be checked, not their order.",
        "Compare MSH-9 with the standard.";
    W2121 Permanent "a line has no segment name",
        "Nobody knows what it says; most often a line break stands in a text.",
        "Let the sender write line breaks in text as `\\.br\\`.";
    W2122 Permanent "the check of a message was broken off",
        "A message with this many findings has a fault of its own, and more would not help.",
        "Correct the findings shown first.";
    W2123 Permanent "MSH-9 names another structure than its event has",
        "Receivers differ in which of the two they follow.",
        "Let the sender correct MSH-9.3.";
    W2124 Permanent "a message was read leniently",
        "Other systems may refuse it or read it otherwise.",
        "Let the sender write what the standard asks for.";
    W2125 Permanent "a code is not among those a site is expected to use",
        "The standard leaves this table to the sites, so the meaning of the code is local.",
        "Add the code to the table of the site in `hl7/`.";
    W2126 Operator "a mapping gives no answer to the messages that it takes",
        "The sender would hear a message that does not answer its own.",
        "Write a mapping from the messages that are asked to the structure that answers them.";
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
    W2312 Permanent "a sender frames its messages loosely",
        "They were taken, but other systems may merge or lose them.",
        "Let the sender write VT, the message, FS and CR, and finish each frame it begins.";
    W2313 Transient "an application acknowledgment could not be sent",
        "The message is safe; its sender does not hear how it went.",
        "See whether the sender keeps its connection open, or set `app_ack` of the source.";
    W2320 Permanent "an address is none of the FHIR interface",
        "Nothing stands there, so nothing was read or changed.",
        "Ask for `[base]/Type`, `[base]/Type/id` or another address that R4 names.";
    W2321 Permanent "the type of resource is none of R4",
        "Nothing is known of such resources, so nothing was read or changed.",
        "Compare the type in the address, capitals included, with those of R4.";
    W2322 Permanent "an id or a version has characters that FHIR does not allow",
        "Only letters, digits, `-` and `.` can name a resource; anything else may be a trick.",
        "Let the client send an id of 1 to 64 such characters, not escaped, and not dots alone.";
    W2323 Permanent "this method is not for this address",
        "The interaction is none of R4, or this address does not offer it.",
        "See the header `Allow` of the answer and `[base]/metadata`.";
    W2324 Permanent "the conditions of a request cannot be kept",
        "Writing without them could overwrite what somebody else wrote.",
        "Let the client send one condition that fits the interaction, such as `If-Match: W/\"3\"`.";
    W2325 Permanent "the search of a request cannot be read",
        "A search that is read in part finds, or changes, what nobody meant.",
        "Let the client send `name=value` pairs joined by `&`, percent-encoded as UTF-8.";
    W2326 Permanent "the content does not fit the address it was sent to",
        "Type and id of a resource have to be those of its address.",
        "Let the client send the resource to the address of its own type and id.";
    W2327 Permanent "the content of a request is of a type that is not taken",
        "Reading it as something else would be a guess.",
        "Let the client name its content in `Content-Type`: `application/fhir+json` or `application/fhir+xml` in UTF-8, in gzip or not.";
    W2328 Permanent "the answer has no form that the client takes",
        "The answer would not be understood.",
        "Let the client accept `application/fhir+json` or `application/fhir+xml`.";
    W2329 Permanent "the content of a request is larger than the channel takes",
        "Memory has to stay bounded, for what is unpacked from gzip too.",
        "Let the client send less at a time, or raise `max_size` of the source.";
    W2330 Transient "the content of a request did not come in time",
        "The part that came was never accepted.",
        "Look at the network, or raise `body_timeout` of the source for slow lines.";
    W2331 Permanent "the content of a request is not whole",
        "The part that came was never accepted.",
        "Let the client send the request again.";
    W2332 Permanent "the channel does not take such a request",
        "What a channel takes is named in its file, so that nothing else reaches its mappings.",
        "Send to the channel for it, or add it to `accept` of the source.";
    W2333 Transient "the endpoint takes no requests now",
        "The sender keeps its content and sends it again.",
        "Wait as long as `Retry-After` says; an operator sees why in `weir status`.";
    W2334 Permanent "the endpoint does not serve such reads",
        "The channel hands messages on and has no record store of its own to read from.",
        "See `[base]/metadata`; `records` of the source names a collection to serve.";
    W2335 Permanent "there is no message to tell of",
        "It was never kept here, came by another channel, or its time to be kept is over.",
        "Ask for the address that the answer to the message named.";
    W2336 Permanent "the destination did not take the message",
        "The sender has the destination's answer, or an operator looks after the message.",
        "Look up the status of the destination's answer in its documentation.";
    W2337 Permanent "there is no such resource",
        "No version of it was written here.",
        "Compare type and id, or search for it.";
    W2338 Permanent "the resource was deleted",
        "Its history is still there.",
        "Ask for `[base]/Type/id/_history`.";
    W2339 Transient "some lines of the content are not taken yet",
        "Those before are kept and need not be sent again.",
        "Send the content again from the line that is named.";
    W2340 Permanent "the channel has no destination that could answer its senders",
        "With `reply = \"after-delivery\"` a sender waits for the answer of one destination.",
        "Let `reply_from` name an enabled `[destination.NAME]` of the channel.";
    W2341 Permanent "several destinations could answer the sender",
        "It hears the first of them; what another refuses is a dead letter it does not hear of.",
        "Let `reply_from` of the source name the destination that answers.";
    W2350 Permanent "a caller did not say who it is",
        "The endpoint serves known clients only.",
        "Let the client send its key, password or token, as `auth` of the source asks for.";
    W2351 Permanent "a key or password is not known",
        "Without it nobody can tell who calls.",
        "Compare the client's key with the secret that `auth` of the source names.";
    W2352 Permanent "a token cannot be read",
        "An access token is a signed JSON Web Token; anything else says nothing.",
        "Let the authorization server issue access tokens as JWT (RFC 9068).";
    W2353 Permanent "the signature of a token is not that of its issuer",
        "Anyone could have written it.",
        "Compare `issuer` and `jwks` of the source with the server that issued the token.";
    W2354 Permanent "a token is not valid at this time",
        "It has ended, has not begun, or does not say when it ends.",
        "Let the client fetch a new token, and compare the clocks of the machines.";
    W2355 Permanent "a token is meant for someone else",
        "Its issuer or audience is not the one of this endpoint.",
        "Let the client ask for the audience that `auth` of the source names.";
    W2356 Transient "the keys of the issuer cannot be fetched",
        "Without them no token can be checked; callers are told to come back.",
        "Check the address of the issuer, its certificate and the network in between.";
    W2357 Permanent "a token is signed in a way that weir does not take",
        "A token without signature, or signed by a shared secret, could be made by anyone.",
        "Let the authorization server sign by RS256, RS384, ES256 or ES384.";
    W2358 Permanent "a client may not do this",
        "Its scopes do not cover the interaction.",
        "Grant the client the scope shown where it should be able to do this.";
    W2359 Permanent "a request reaches beyond the patient of its token",
        "Scopes that begin with `patient/` cover the one patient of the launch only.",
        "Let the client name the patient in its request, or grant it a wider scope.";
    W2360 Transient "a client calls more often than it may",
        "Other clients would have to wait for it.",
        "Let the client send less often, or raise `rate` of the source.";
    W2361 Transient "too many failed logins came from one address",
        "Someone may be trying keys; the address is not listened to for a while.",
        "Correct the key of the client there, or raise `failures` of the source.";
    W2362 Permanent "anyone who reaches a listener may send to it",
        "Nothing asks who calls, and the address is not that of this machine alone.",
        "Set `auth`, or `client_ca` in `tls`, or listen on `127.0.0.1`.";
    W2363 Permanent "secrets of clients travel in clear",
        "Whoever listens on the way can use the key, password or token.",
        "Set `tls` of the source, or listen on `127.0.0.1` behind a proxy that has TLS.";
    W2380 Operator "the server begins no export",
        "Nothing is pulled until it does; what was pulled before stays as it is.",
        "Compare `url`, `export`, `types` and `auth` of the source with the server's documentation.";
    W2381 Transient "an export is put off",
        "The server did not answer as it should; the export goes on where it was, later.",
        "Look at the server's log when it does not end by itself.";
    W2382 Transient "an export did not come to its end",
        "The server gave it up, forgot it, or took too long; the next one asks for the same time.",
        "Look at the server's log; raise `timeout` of the source where exports take longer.";
    W2383 Permanent "the manifest of an export cannot be used",
        "Without it nobody can tell which files belong to the export; none is taken.",
        "Tell whoever runs the server: the cause names the member that is missing or wrong.";
    W2384 Operator "a file of an export lies on a server that is not named",
        "A manifest could otherwise make weir call any machine in its network.",
        "Where the server is the right one, add it to `hosts` of the source, or to `token_hosts`.";
    W2385 Transient "a file of an export cannot be read",
        "It is read again from where it broke off.",
        "Look at the server that holds the files when it does not end by itself.";
    W2386 Permanent "a line of an export is not what its file holds",
        "It is kept as refused; the other lines are taken.",
        "Tell whoever runs the server; the place names the file and the line.";
    W2387 Permanent "lines of an export were refused",
        "The others are taken; those refused are kept with their reason.",
        "See `message_refused` in the log and `weir trace ID`, and tell whoever runs the server.";
    W2388 Permanent "the server could not export everything",
        "What it could not export is missing here, and no later export asks for it again.",
        "Ask whoever runs the server; then pull from before: set `since` of the source.";
    W2389 Permanent "a line of an export is too large",
        "It is kept as refused, cut; the other lines are taken.",
        "Raise `max_size` of the source where such resources are expected.";
    W2390 Operator "the server does not take the subscription",
        "Nothing is notified until it does; what changes meanwhile is fetched afterwards.",
        "Compare `url`, `criteria`, `endpoint` and `auth` of the source with the server's documentation.";
    W2391 Transient "the subscription was not in force",
        "It is registered again, and what changed meanwhile is fetched.",
        "Where it comes back, see whether the server reaches `endpoint` of the source.";
    W2392 Permanent "a notification does not show the secret of the subscription",
        "Anybody could send messages otherwise.",
        "See who calls; the server sends the header that weir wrote into the Subscription.";
    W2393 Permanent "a notification is not what was subscribed to",
        "It is kept as refused.",
        "Tell whoever runs the server; `criteria` of the source names the type.";
    W2394 Transient "what changed at the server could not be fetched",
        "It is fetched at the next look; nothing is lost meanwhile.",
        "Look at the server's log when it does not end by itself.";
    W2395 Permanent "a page of what changed cannot be used",
        "What is behind it is not fetched.",
        "Tell whoever runs the server: the cause names what is wrong with the page.";
    W2396 Permanent "too many lines of a file of an export were refused",
        "It is likely no file of resources; the export is given up and the next asks for the same time.",
        "Look at what was refused first (`weir trace ID`), and tell whoever runs the server.";
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
    W2408 Operator "the acknowledgments of a file cannot be written",
        "Its sender waits for them, so the file stays and is taken again after a pause.",
        "Let weir write to the directory in `ack_dir` of the source, and free space there.";
    W2409 Transient "a file grew while it was taken",
        "It stays and is taken on from there once it is ready again; nothing is taken twice.",
        "Raise `ready` of the source, or let the sender rename the file into place or set a marker.";
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
    W2705 Permanent "an XML text is malformed",
        "A message that cannot be read as a whole is not read in part.",
        "Correct the text at the line and column shown; XML 1.0 has the grammar.";
    W2706 Permanent "a document type or an entity stands in an XML text",
        "Entities can name files and grow without end, so none are expanded.",
        "Leave out `<!DOCTYPE` and write characters as such, a blank as `&#160;`.";
    W2707 Permanent "a FHIR document has no form in XML",
        "What XML cannot hold would be lost on the way to the receiver.",
        "Correct the value at the place shown, or send the document as JSON.";
    W2710 Permanent "a FHIRPath cannot be read",
        "A path that weir does not understand as a whole is never run in part.",
        "Correct the path at the column shown.";
    W2711 Permanent "a FHIRPath looked at too many items",
        "Conditions inside conditions over a large Bundle would hold up every other message.",
        "Make the path more direct, or split the Bundle into smaller ones.";
    W2712 Permanent "the values of a resource do not fit a FHIRPath",
        "A path that asks for one value and meets several has no answer, and none is guessed.",
        "Make the path say which value it means, with `where(..)`, `first()` or an index.";
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
    W2734 Permanent "the XML of a resource holds what FHIR has no place for",
        "A receiver would refuse the resource or lose what stands there.",
        "Write elements in the order of R4, values in `value`, and nothing beside them.";
    W2740 Permanent "a FHIR resource cannot be read as the type expected",
        "weir itself has to understand this resource, and its structure is not that of R4.",
        "Correct the element shown.";
    W2750 Permanent "an invariant does not hold",
        "R4 states rules between elements that a receiver relies on as on the elements.",
        "Change the resource so that the rule shown holds.";
    W2751 Permanent "a reference cannot be resolved",
        "The receiver has nothing but this document to look in, and the target is not there.",
        "Send the target along, or point to it where it is.";
    W2752 Permanent "a Bundle breaks a rule of its kind",
        "Entries are found by their `fullUrl` and handled by their `request`.",
        "Correct the entry shown.";
    W2753 Permanent "a narrative is not the XHTML that R4 allows",
        "A receiver shows the narrative to people, and refuses what could do more than that.",
        "Write the narrative as XHTML with the elements and attributes that R4 lists.";
    W2754 Permanent "an extension does not stand where it may",
        "The definition of the extension says on which elements it has a meaning.",
        "Move the extension to an element that its definition names, or load its definition.";
    W2755 Permanent "a code is not one of those recommended",
        "With an extensible binding, a code of the value set has to be used where one fits.",
        "Use a code of the value set shown when one says the same.";
    W2756 Permanent "the answers do not fit their questionnaire",
        "Who evaluates the answers reads them by the questionnaire.",
        "Correct the answer shown, or name the questionnaire that was answered.";
    W2757 Permanent "a resource does not fit a profile",
        "The resource claims a profile, or the channel asks for one.",
        "Correct the element shown as the profile has it.";
    W2758 Permanent "an attachment does not fit what it says of itself",
        "A receiver that trusts the stated size or type handles the data wrongly.",
        "Correct the statement, or leave it out.";
    W2759 Permanent "a text looks as if it held markup",
        "A receiver may show the text in a browser, where markup acts.",
        "Leave the markup out of the text.";
    W2760 Permanent "a FHIR profile is not loaded",
        "A check by a profile that nobody has would find nothing, and look like a good one.",
        "Name the file of the profile under `definitions`, or correct its name.";
    W2770 Permanent "the XML is no CDA document",
        "Paths and sections of CDA mean nothing in another kind of document.",
        "Send a document whose outermost element is `ClinicalDocument` of `urn:hl7-org:v3`.";
    W2771 Permanent "a path through an XML document cannot be read",
        "A path that weir does not understand as a whole is never followed in part.",
        "Write steps as in `recordTarget/patientRole/id[@root = '1.2.3']/@extension`.";
    W2772 Permanent "a path through an XML document looks at too many elements",
        "A path must end in a time that does not hold up other messages.",
        "Name the steps instead of `//`, above all within brackets.";
    W2773 Permanent "a document refers to its narrative for too much text",
        "The same long text, asked for by each entry, would fill the memory.",
        "Let entries refer to the words that are meant, not to all of the narrative.";
    W2780 Permanent "a patch cannot be read",
        "A patch that is understood only in part would change the resource only in part.",
        "Correct the operation shown.";
    W2781 Permanent "a patch names a place that is not there",
        "The sender saw another state of the resource than the one that is kept.",
        "Read the resource again and make the patch for what it is now.";
    W2782 Permanent "a patch names more than one place",
        "Each operation of a patch changes one place, else nobody knows which is meant.",
        "Name one place, as with an index or a condition.";
    W2783 Permanent "a patch puts a value where it cannot stand",
        "What came out would be no resource that a receiver can read.",
        "Give a value of the type that the element has, where it may stand.";
    W2784 Permanent "a test of a patch does not hold",
        "The sender made the patch for a resource with another value in this place.",
        "Read the resource again and make the patch for what it is now.";
    W2785 Permanent "a patch asks for more than its limits allow",
        "A short patch could otherwise keep the machine busy or fill its memory.",
        "Split the patch, or send the whole resource.";
    W2786 Permanent "a patch changes which resource it is",
        "Type and id are the address of the resource, which a patch must not move.",
        "Leave `resourceType` and `id` as they are.";
    W2790 Permanent "a Bundle changes the same resource twice",
        "Which of the two changes holds would depend on the order of the entries.",
        "Send one entry a resource.";
    W2791 Permanent "an entry of a Bundle asks for what no server can do",
        "All entries of a transaction are done or none, and this one cannot be.",
        "Correct the request of the entry shown.";
    W2792 Permanent "a conditional reference does not lead to one resource",
        "The reference is written anew with the id of what it finds, which must be one.",
        "Make the search exact, or refer by id.";
}

//! Codes of queue and store.

codes! {
    W6001 Operator "the store is in use by another process",
        "Two writers would destroy each other's journal, so the second one is refused.",
        "Stop the other `weir` on this directory, or set another `data_dir` in `[weir]`.";
    W6002 Operator "the store cannot be opened",
        "Without its journal weir can accept nothing, because nothing could be kept.",
        "Check that the directory exists, belongs to the user weir runs as and has space.";
    W6003 Operator "the journal is damaged",
        "Entries after the damage are whole, so this is not a torn tail: bytes that were on \
         disk have changed, and cutting there would lose messages that were acknowledged.",
        "Check the disk and keep the damaged files; `weir store check` says what they hold. Then \
         put a copy of the data directory in their place that was made while weir stood.";
    W6004 Operator "the journal could not be written",
        "After a failed write or sync nobody knows what is on disk, so nothing more is \
         accepted until the journal has been read again.",
        "Check the disk and its space, then restart weir; senders will send again.";
    W6005 Transient "the store is full",
        "Free space is below `min_free` or the journal has reached `max_size`; deliveries go \
         on, new messages are refused and stay with their senders.",
        "Free space on the disk, raise `max_size` or shorten `keep` in `[store]`.";
    W6006 Permanent "the message is too large for the journal",
        "One entry holds the original and every mapped body, and has a limit.",
        "Lower `max_size` of the source, or split the message before it is sent.";
    W6007 Operator "the journal holds a record of an unknown version",
        "A newer weir wrote it; skipping it could lose a message, so reading stops.",
        "Start the version of weir that wrote it, or a later one.";
    W6008 Operator "the journal is sealed with a key that is not here",
        "Without this key its entries cannot be read, nor new ones be linked to them.",
        "Put the key named here back into the keyring, then start again.";
    W6009 Transient "the index of the store failed",
        "The journal is whole; the index over it can always be made again from it.",
        "Run `weir store rebuild`; when it fails again, check the disk.";
    W6010 Transient "an entry of the journal cannot be read",
        "The message is counted and kept, but its content cannot be shown or sent now.",
        "Run `weir store check`; check the disk.";
    W6011 Transient "the store is closed",
        "weir is stopping; what was not acknowledged stays with its sender.",
        "Send again when weir runs.";
    W6012 Permanent "there is no such delivery",
        "No message with this id is owed to this destination, or its keep time is over.",
        "Look for it with `weir queue ls` or `weir trace ID`.";
    W6013 Operator "the audit chain is broken",
        "An audit leaf is not the one that was written: somebody changed the journal.",
        "Keep the files, compare with a backup and tell the security officer.";
    W6014 Permanent "a released delivery has no body",
        "It was held or dead before it was mapped, so there is nothing to send.",
        "Send it again with `weir replay id:ID --config now`.";
    W6015 Permanent "the content of the message was removed",
        "`keep` of `[store]` says how long content stays once nothing of a message waits any \
         more. What happened to the message is kept; what it said is not, so it can be \
         neither shown nor sent again.",
        "Ask the sender to send it again; raise `content` of `keep` for messages to come.";
    W6021 Operator "a removed destination still has waiting messages",
        "They were acknowledged and would never arrive.",
        "Run `weir reload --adopt NEW` to hand them to another destination, or `weir reload --drop --reason TEXT`.";
    W6030 Permanent "not a filter",
        "Only messages that match every term are listed or changed, so weir does not guess.",
        "Write terms such as `channel:adt-* state:dead since:2h`.";
    W6901 Transient "the channel has no room for another message",
        "What waits for a destination has reached the channel's limit; the sender keeps the message.",
        "See what waits with `weir queue ls`, repair the destination, or raise `max_messages` of `[queue]`.";
    W6902 Transient "the disk of the store is nearly full",
        "A message that cannot be kept is not acknowledged, so senders are refused until there is room.",
        "Free space on the disk of `data_dir`, or shorten `keep` of `[store]`; `weir doctor` shows what takes it.";
    W6903 Transient "the message is kept but was not delivered in time",
        "The channel answers after delivery, and a destination did not take it yet; it is still tried.",
        "See why with `weir queue ls`; the sender may send it again, which is told by its control ID.";
    W6904 Transient "the destination is not in the configuration any more",
        "What waits for it is kept until it is there again or given up.",
        "Add the destination again, or give up what waits with `weir queue skip`.";
    W6905 Permanent "no channel has this name",
        "Nothing was done.",
        "List the channels with `weir channel ls`; a disabled channel does not run.";
    W6906 Permanent "the channel has no such destination",
        "Nothing was done.",
        "See the destinations with `weir channel show NAME`.";
    W6907 Permanent "no message has this id",
        "It was never taken, or its content is older than `keep` allows.",
        "Look for it with `weir trace --control ID`.";
    W6908 Permanent "the state of the delivery does not allow this",
        "Each action is for some states only, so that nothing is sent or given up by mistake.",
        "See the states with `weir queue ls`; `hold` is for waiting, `release` for held, `replay` for ended ones.";
    W6909 Permanent "the message has no body for this destination",
        "It was filtered, denied or dead before a body was made.",
        "Look at the original, or replay it through the mapping of now.";
    W6910 Transient "the channel takes no more messages",
        "A reload removes it; the sender keeps the message.",
        "Send to another channel, or add this one again and run `weir reload`.";
    W6911 Permanent "no consent has this id",
        "Nothing was read or changed.",
        "Ask for the consents of the patient: `GET /api/v1/consents?patient=ID&reason=TEXT`.";
}

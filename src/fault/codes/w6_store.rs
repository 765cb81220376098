//! Codes of queue and store.

codes! {
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
    W6910 Operator "messages wait for a destination that the new configuration does not have",
        "They would stay in the queue for ever, so the reload is refused and nothing changed.",
        "Keep the destination until they are sent, or give them up with `weir reload --drop --reason TEXT`.";
}

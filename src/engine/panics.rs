//! Panics without content: the text of a panic may quote what was being read, so only the
//! place in our code is shown.

use std::cell::RefCell;
use std::io::Write as _;

thread_local! {
    static LAST: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Masks the texts of panics from now on: standard error gets the place only. Called once,
/// by whoever starts the process.
pub fn mask_panics() {
    std::panic::set_hook(Box::new(|info| {
        let place = info
            .location()
            .map_or_else(|| "unknown".to_owned(), |at| format!("{}:{}", at.file(), at.line()));
        // Nothing is left to do when standard error is gone.
        let _ = writeln!(std::io::stderr(), "weir: panic at {place}");
        LAST.with_borrow_mut(|last| *last = place);
    }));
}

/// Where this thread last panicked; a general word before [`mask_panics`].
pub(crate) fn last_place() -> String {
    LAST.with_borrow(|last| match last.is_empty() {
        true => "place unknown".to_owned(),
        false => format!("at {last}"),
    })
}

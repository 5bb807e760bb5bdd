//! A defect in one run must not take the others with it: panics are caught, and kept from the terminal until the
//! report says them beside the command that repeats the run.

use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    /// Inside `caught`: what the panic said.
    static SAID: RefCell<Option<String>> = const { RefCell::new(None) };
}

static HOOK: Once = Once::new();

/// Runs `work`; a panic becomes its message and its place.
pub fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    HOOK.call_once(|| {
        let outer = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let ours = SAID.with(|said| {
                let mut said = said.borrow_mut();
                let Some(text) = said.as_mut() else {
                    return false;
                };
                let payload = info.payload();
                let what = payload
                    .downcast_ref::<&str>()
                    .copied()
                    .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
                    .unwrap_or("a panic without a message");
                let place = info
                    .location()
                    .map_or_else(String::new, |l| format!(" ({}:{})", l.file(), l.line()));
                *text = format!("{what}{place}");
                true
            });
            if !ours {
                outer(info);
            }
        }));
    });
    // Calls nest: what is around a run is guarded too.
    let outer = SAID.with(|said| said.borrow_mut().replace(String::new()));
    // What `work` borrowed is given up with it: nothing half-changed is looked at afterwards.
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    let said = SAID.with(|said| std::mem::replace(&mut *said.borrow_mut(), outer));
    result.map_err(|_| said.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::caught;

    #[test]
    fn guards_nest() {
        let said = caught(|| {
            let inner = caught(|| panic!("inner")).unwrap_err();
            assert!(inner.starts_with("inner ("), "{inner}");
            panic!("outer")
        });
        assert!(said.unwrap_err().starts_with("outer ("));
    }

    #[test]
    fn a_panic_becomes_its_message_and_place() {
        assert_eq!(caught(|| 1), Ok(1));
        let said = caught(|| panic!("index {} is too large", 7)).unwrap_err();
        assert!(said.starts_with("index 7 is too large ("), "{said}");
        assert!(said.contains("guard.rs:"), "{said}");
    }
}

//! Where memory comes from.

// Its settings are reached through its C interface alone.
#![allow(unsafe_code)]

use std::ffi::{c_int, c_long};

use libmimalloc_sys::mi_option_set_default;
use mimalloc::MiMalloc;

/// Tensors come and go by the thousand: the system's allocator hands each large one back to the
/// kernel, and takes a page fault for every 4 KiB of the next.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// `mi_option_purge_delay` of mimalloc 3: milliseconds after which free memory goes back to the kernel.
const PURGE_DELAY: c_int = 15;

/// Longer than a training step takes. With mimalloc's one second, what a step has freed is gone before the next one
/// asks for it, and comes back as pages to be cleared: a third of the time of ViT-B's.
const DELAY_MS: c_long = 60_000;

/// Lets free memory stay at hand from one training step to the next; `MIMALLOC_PURGE_DELAY` overrides it.
pub fn keep_between_steps() {
    // SAFETY: the number is that of an option, and no other thread runs yet to set it too.
    unsafe { mi_option_set_default(PURGE_DELAY, DELAY_MS) }
}

#[cfg(test)]
mod tests {
    use libmimalloc_sys::mi_option_get;

    use super::*;

    #[test]
    fn the_number_is_that_of_the_delay() {
        if std::env::var_os("MIMALLOC_PURGE_DELAY").is_none() {
            // SAFETY: no other test sets options.
            let delay = || unsafe { mi_option_get(PURGE_DELAY) };
            assert_eq!(delay(), 1000, "mimalloc's own");
            keep_between_steps();
            assert_eq!(delay(), DELAY_MS);
        }
    }
}

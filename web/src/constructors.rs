//! What has to run once before anything else.

// The linker's function has no safe name.
#![allow(unsafe_code)]

/// Runs the constructors of all crates, such as those that enter types into a registry.
///
/// Where nothing calls them, the linker takes this for a program that is called once, and has them
/// run before every call from JavaScript: each object that comes from there costs as much as a
/// tenth of a token, and what is entered again makes a ring of the registry's list.
#[cfg(all(target_family = "wasm", feature = "gpu"))]
pub fn run() {
    unsafe extern "C" {
        fn __wasm_call_ctors();
    }
    // SAFETY: the linker's own function, called once, when the module starts.
    unsafe { __wasm_call_ctors() }
}

/// No crate has any.
#[cfg(not(all(target_family = "wasm", feature = "gpu")))]
pub fn run() {}

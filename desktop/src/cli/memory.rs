//! How much memory there is and was taken, where the system says so.

use std::fs;

use medley::OpenDevice;

/// The most memory this process has had so far, in bytes: of the device's pool on a GPU, of the
/// process on the CPU, where the system is Linux.
pub fn peak(device: &OpenDevice) -> Option<u64> {
    if device.is_gpu {
        return device.device.memory_pool_usage().map(|usage| usage.bytes_reserved);
    }
    kilobytes("/proc/self/status", "VmHWM:")
}

/// Bytes that the CPU can still have without swapping, where the system says.
pub fn available() -> Option<u64> {
    kilobytes("/proc/meminfo", "MemAvailable:")
}

/// Memory that a process has at the moment.
pub struct Resident {
    /// Bytes that nobody else has.
    pub own: u64,
    /// Bytes of files that are mapped: the system takes them back when it needs them.
    pub mapped: u64,
}

/// What this process has, where the system is Linux.
pub fn resident() -> Option<Resident> {
    let bytes = |name| kilobytes("/proc/self/status", name);
    Some(Resident { own: bytes("RssAnon:")?, mapped: bytes("RssFile:")? })
}

fn kilobytes(file: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

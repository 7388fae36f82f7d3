//! Orders that look random and are the same on every machine.

use std::collections::{BTreeSet, HashSet};

/// SplitMix64 (Steele, Lea and Flood 2014): three lines that no library update can change under a resumed run.
struct SplitMix(u64);

impl SplitMix {
    fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// An even draw from `0..bound`: of the 2^64 values those above the last full round are drawn again.
    fn below(&mut self, bound: u64) -> u64 {
        let rest = (u64::MAX % bound + 1) % bound;
        loop {
            let drawn = self.draw();
            if drawn <= u64::MAX - rest {
                return drawn % bound;
            }
        }
    }
}

fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// The order in which an epoch visits `len` examples: a shuffle that depends on the seed and the epoch alone.
pub fn epoch_order(len: usize, seed: u64, epoch: u64) -> Vec<usize> {
    // Mixing between the two keeps seed 1, epoch 0 apart from seed 0, epoch 1.
    let mut random = SplitMix(mix(mix(seed).wrapping_add(epoch)));
    let mut order: Vec<usize> = (0..len).collect();
    for last in (1..len).rev() {
        order.swap(last, random.below(last as u64 + 1) as usize);
    }
    order
}

/// A number that a name and a seed always give: names sorted by it are shuffled, and stay so when others join them.
fn shuffle_key(name: &str, seed: u64) -> u64 {
    // FNV-1a, then mixed: alone it keeps names that differ in the last letter close together.
    let fnv = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    mix(name.bytes().fold(0xcbf2_9ce4_8422_2325, fnv) ^ mix(seed))
}

/// Parts examples in two, the second of about `fraction` of the groups that share a name.
///
/// Which ones depends on the names and the seed alone. Unless `fraction` is 0, each side has a group at least where
/// there are two or more.
pub(super) fn hold_out_by<E>(
    examples: Vec<E>,
    name: impl Fn(&E) -> String,
    fraction: f64,
    seed: u64,
) -> (Vec<E>, Vec<E>) {
    let names: BTreeSet<(u64, String)> =
        examples.iter().map(&name).map(|name| (shuffle_key(&name, seed), name)).collect();
    let wanted = (names.len() as f64 * fraction.clamp(0.0, 1.0)).round() as usize;
    let wanted = wanted.max(usize::from(fraction > 0.0)).min(names.len().saturating_sub(1));
    let held: HashSet<String> = names.into_iter().take(wanted).map(|(_, name)| name).collect();
    let (held, kept) = examples.into_iter().partition(|example| held.contains(&name(example)));
    (kept, held)
}

//! Files that show the same, to the byte or to the eye.

use std::collections::HashMap;

use anyhow::Result;
use rayon::prelude::*;

use super::Catalog;
use crate::library::photo::{ContentId, PhotoId};

/// Bits of a perceptual hash.
const BITS: u32 = 64;

/// A picture with so few bits set, or so few not set, is of one colour, and would be near to all others of one colour.
const LEAST_BITS: u32 = 4;

impl Catalog {
    /// Files with the same bytes, in groups of at least two, by when they were found.
    ///
    /// # Errors
    /// A catalogue that cannot be read.
    pub fn duplicates(&self) -> Result<Vec<Vec<PhotoId>>> {
        let groups = self.files_by_content()?.into_values().filter(|files| files.len() > 1);
        Ok(in_order(groups.collect()))
    }

    /// Files whose pictures are nearly the same, in groups of at least two: each differs from another of its group in
    /// at most `max_bits` of 64 bits of a perceptual hash.
    ///
    /// # Errors
    /// A catalogue that cannot be read.
    pub fn near_duplicates(&self, max_bits: u32) -> Result<Vec<Vec<PhotoId>>> {
        let sql = "select id, perceptual from content where perceptual is not null and problem is null";
        let hashes: Vec<(ContentId, i64)> = self.read(|connection| {
            connection.prepare_cached(sql)?.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        })?;
        let mut contents: HashMap<u64, Vec<ContentId>> = HashMap::new();
        for (content, hash) in hashes {
            let hash = hash.cast_unsigned();
            if (LEAST_BITS..=BITS - LEAST_BITS).contains(&hash.count_ones()) {
                contents.entry(hash).or_default().push(content);
            }
        }
        let mut different: Vec<u64> = contents.keys().copied().collect();
        different.sort_unstable();
        let mut files = self.files_by_content()?;
        let near = groups(&different, max_bits).into_iter().map(|group| {
            let contents = group.into_iter().flat_map(|place| &contents[&different[place]]);
            contents.filter_map(|content| files.remove(content)).flatten().collect::<Vec<_>>()
        });
        Ok(in_order(near.filter(|files| files.len() > 1).collect()))
    }

    /// The files that are there, by what they show.
    fn files_by_content(&self) -> Result<HashMap<ContentId, Vec<PhotoId>>> {
        let sql = "select content, id from photo where content is not null and missing_ms is null order by id";
        let files: Vec<(ContentId, PhotoId)> = self.read(|connection| {
            connection.prepare_cached(sql)?.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        })?;
        let mut contents: HashMap<ContentId, Vec<PhotoId>> = HashMap::new();
        for (content, photo) in files {
            contents.entry(content).or_default().push(photo);
        }
        Ok(contents)
    }
}

fn in_order(mut groups: Vec<Vec<PhotoId>>) -> Vec<Vec<PhotoId>> {
    groups.iter_mut().for_each(|group| group.sort_unstable());
    groups.sort_unstable();
    groups
}

/// Places of hashes that hang together by steps of at most `max_bits`.
///
/// Of `max_bits + 1` stretches of bits, two hashes that differ in at most `max_bits` bits share one: only hashes with
/// an equal stretch are compared, not all pairs.
fn groups(hashes: &[u64], max_bits: u32) -> Vec<Vec<usize>> {
    let max_bits = max_bits.min(BITS - 1);
    let stretches = max_bits + 1;
    let pairs: Vec<(usize, usize)> = (0..stretches)
        .into_par_iter()
        .flat_map_iter(|stretch| {
            let (from, to) = (stretch * BITS / stretches, (stretch + 1) * BITS / stretches);
            let mask = (u64::MAX >> (BITS - (to - from))) << from;
            let mut buckets: HashMap<u64, Vec<usize>> = HashMap::new();
            for (place, hash) in hashes.iter().enumerate() {
                buckets.entry(hash & mask).or_default().push(place);
            }
            let mut joined = Joined::new(hashes.len());
            for bucket in buckets.values() {
                for (nth, &one) in bucket.iter().enumerate() {
                    for &other in &bucket[nth + 1..] {
                        if (hashes[one] ^ hashes[other]).count_ones() <= max_bits {
                            joined.join(one, other);
                        }
                    }
                }
            }
            // A chain says as much as all pairs, and is short.
            (0..hashes.len()).filter_map(move |place| {
                let first = joined.first_of(place);
                (first != place).then_some((first, place))
            })
        })
        .collect();
    let mut joined = Joined::new(hashes.len());
    for (one, other) in pairs {
        joined.join(one, other);
    }
    let mut groups: HashMap<usize, Vec<usize>> = HashMap::new();
    for place in 0..hashes.len() {
        groups.entry(joined.first_of(place)).or_default().push(place);
    }
    groups.into_values().collect()
}

/// Which places belong together.
struct Joined(Vec<usize>);

impl Joined {
    fn new(count: usize) -> Self {
        Self((0..count).collect())
    }

    fn first_of(&mut self, mut place: usize) -> usize {
        while self.0[place] != place {
            self.0[place] = self.0[self.0[place]];
            place = self.0[place];
        }
        place
    }

    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.first_of(one), self.first_of(other));
        let (first, second) = (one.min(other), one.max(other));
        self.0[second] = first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(mut groups: Vec<Vec<usize>>) -> Vec<Vec<usize>> {
        groups.retain(|group| group.len() > 1);
        groups.sort();
        groups
    }

    /// Comparing all pairs.
    fn plain(hashes: &[u64], max_bits: u32) -> Vec<Vec<usize>> {
        let mut joined = Joined::new(hashes.len());
        for one in 0..hashes.len() {
            for other in one + 1..hashes.len() {
                if (hashes[one] ^ hashes[other]).count_ones() <= max_bits {
                    joined.join(one, other);
                }
            }
        }
        let mut groups: HashMap<usize, Vec<usize>> = HashMap::new();
        for place in 0..hashes.len() {
            groups.entry(joined.first_of(place)).or_default().push(place);
        }
        groups.into_values().collect()
    }

    #[test]
    fn stretches_find_what_comparing_all_pairs_finds() {
        let mut state = 7_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state ^ (state >> 29)
        };
        let mut hashes: Vec<u64> = (0..300).map(|_| next()).collect();
        for place in 0..200 {
            let flips = next() % 9;
            hashes.push((0..flips).fold(hashes[place], |hash, _| hash ^ (1 << (next() % 64))));
        }
        for max_bits in [0, 1, 3, 6, 10, 16] {
            assert_eq!(sorted(groups(&hashes, max_bits)), sorted(plain(&hashes, max_bits)), "{max_bits} bits");
        }
        assert!(!sorted(groups(&hashes, 6)).is_empty());
    }
}

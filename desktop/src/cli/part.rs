//! One part of several, as `--shard 2/4` and `--part 1/2` name it.

use std::str::FromStr;

/// The part `index`, from 1 on, of `count`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    pub index: usize,
    pub count: usize,
}

impl Part {
    /// Every `count`-th of them with its place, the first at `index - 1`.
    pub fn of<T>(self, all: &[T]) -> impl Iterator<Item = (usize, &T)> {
        all.iter().enumerate().skip(self.index - 1).step_by(self.count)
    }
}

impl FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/').and_then(|(index, count)| Some((index.parse().ok()?, count.parse().ok()?)));
        match parts {
            Some((index, count)) if (1..=count).contains(&index) => Ok(Self { index, count }),
            _ => Err("must be a part of several, such as 2/4".to_owned()),
        }
    }
}

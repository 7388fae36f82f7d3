//! Photographs of a batch into pixels, several at a time and some steps ahead of the device.

use std::collections::VecDeque;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use burn::tensor::{Device, Tensor, TensorData};
use image::RgbImage;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rayon::prelude::*;

use crate::data::Picture;
use crate::error::{Error, Result};
use crate::preprocess::{Augment, Preprocessor, decode, squash};

/// Steps whose pictures are fetched before their turn, at most.
const MOST_AHEAD: usize = 4;
/// Memory for pictures fetched before their turn; one step is fetched ahead whatever it takes.
const AHEAD_BYTES: usize = 512 << 20;

/// Pictures that are to be read.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Which, in the order they are read in.
    pub pictures: Vec<WantedPicture>,
    /// How they become pixels.
    pub preprocessor: Preprocessor,
}

/// A picture that is to be read.
#[derive(Clone, Debug)]
pub struct WantedPicture {
    /// Where it lies.
    pub picture: Picture,
    /// How far it is distorted, if at all, and what decides how.
    pub distortion: Option<(Augment, u64)>,
}

impl Wanted {
    /// Pictures as they are.
    pub fn undistorted<'a>(pictures: impl Iterator<Item = &'a Picture>, preprocessor: &Preprocessor) -> Self {
        let pictures = pictures.map(|picture| WantedPicture { picture: picture.clone(), distortion: None });
        Self { pictures: pictures.collect(), preprocessor: preprocessor.clone() }
    }

    /// What they take while they wait, in bytes.
    fn bytes(&self) -> usize {
        self.pictures.len() * 3 * self.preprocessor.image_size_px.pow(2)
    }

    /// Reads one of them and makes the model's square of it.
    fn square(&self, index: usize) -> Result<RgbImage> {
        let WantedPicture { picture, distortion } = &self.pictures[index];
        let broken = |reason: String| Error::Data { path: picture.path(), reason };
        let bytes = picture.read()?;
        let side = self.preprocessor.image_size_px as u32;
        let square = || -> Result<RgbImage> {
            let image = decode(&bytes, self.preprocessor.alpha, self.preprocessor.max_pixels)?;
            Ok(match distortion {
                Some((augment, seed)) => augment.apply(&image, side, &mut StdRng::seed_from_u64(*seed)),
                None => squash(&image, side),
            })
        };
        // In a thread of its own a decoder that gives up would take the process with it.
        match catch_unwind(AssertUnwindSafe(square)) {
            Ok(square) => square.map_err(|error| broken(error.with_causes())),
            Err(_) => Err(broken("its decoder gave up".to_owned())),
        }
    }
}

/// Pictures as the model's squares, 8 bits a level.
pub struct Squares {
    squares: Vec<RgbImage>,
    preprocessor: Preprocessor,
}

impl Squares {
    /// Some of them as a tensor, `[batch, channel, height, width]`.
    pub fn pixels(&self, which: Range<usize>, device: &Device) -> Tensor<4> {
        let side = self.preprocessor.image_size_px;
        let shape = [which.len(), 3, side, side];
        let pixels: Vec<Vec<f32>> =
            self.squares[which].par_iter().map(|square| self.preprocessor.levels_of(square)).collect();
        Tensor::from_data(TensorData::new(pixels.concat(), shape), device)
    }

    /// All of them.
    pub fn all(&self, device: &Device) -> Tensor<4> {
        self.pixels(0..self.squares.len(), device)
    }
}

/// Pictures on their way; dropped, those that no thread has begun are left alone.
pub(super) struct Fetch {
    wanted: Arc<Wanted>,
    arrived: Receiver<(usize, Result<RgbImage>)>,
    is_dropped: Arc<AtomicBool>,
}

impl Fetch {
    /// Asks the threads for all pictures.
    pub fn begin(wanted: Wanted) -> Self {
        let (wanted, is_dropped) = (Arc::new(wanted), Arc::new(AtomicBool::new(false)));
        let (send, arrived) = channel();
        let fetch = |index: usize, send: &Sender<_>| {
            let (wanted, is_dropped, send) = (wanted.clone(), is_dropped.clone(), send.clone());
            move || {
                if !is_dropped.load(Ordering::Relaxed) {
                    // Nobody listens any more where the fetch was dropped meanwhile.
                    let _ = send.send((index, wanted.square(index)));
                }
            }
        };
        for index in 0..wanted.pictures.len() {
            // One of the threads themselves must not wait for the others: they may be waiting for it.
            match rayon::current_thread_index() {
                None if cfg!(feature = "threads") => rayon::spawn_fifo(fetch(index, &send)),
                _ => fetch(index, &send)(),
            }
        }
        Self { wanted, arrived, is_dropped }
    }

    /// Waits for all of them.
    ///
    /// # Errors
    /// The first picture, in their order, that cannot be read: [`Error::Read`] or [`Error::Data`] with its path.
    pub fn wait(self) -> Result<Squares> {
        let mut arrived: Vec<(usize, Result<RgbImage>)> = self.arrived.iter().collect();
        arrived.sort_by_key(|(index, _)| *index);
        assert_eq!(arrived.len(), self.wanted.pictures.len(), "every picture arrives or is an error");
        let squares = arrived.into_iter().map(|(_, square)| square).collect::<Result<_>>()?;
        Ok(Squares { squares, preprocessor: self.wanted.preprocessor.clone() })
    }
}

impl Drop for Fetch {
    fn drop(&mut self) {
        self.is_dropped.store(true, Ordering::Relaxed);
    }
}

/// Steps in their order, the pictures of the next ones on their way.
pub(super) struct Ahead<T> {
    begun: VecDeque<(T, Option<Fetch>)>,
    bytes: usize,
}

impl<T> Ahead<T> {
    /// Nothing yet.
    pub fn new() -> Self {
        Self { begun: VecDeque::new(), bytes: 0 }
    }

    /// The next step, after asking for the pictures of those that follow it as far as there is room.
    ///
    /// # Errors
    /// As [`Fetch::wait`].
    pub fn next(
        &mut self,
        mut draw: impl FnMut() -> Option<(T, Option<Wanted>)>,
    ) -> Result<Option<(T, Option<Squares>)>> {
        // The step that is asked for, and one more in any case.
        while self.begun.len() < 2 || (self.begun.len() <= MOST_AHEAD && self.bytes < AHEAD_BYTES) {
            let Some((step, wanted)) = draw() else { break };
            self.bytes += wanted.as_ref().map_or(0, Wanted::bytes);
            self.begun.push_back((step, wanted.map(Fetch::begin)));
        }
        let Some((step, fetch)) = self.begun.pop_front() else { return Ok(None) };
        self.bytes -= fetch.as_ref().map_or(0, |fetch| fetch.wanted.bytes());
        Ok(Some((step, fetch.map(Fetch::wait).transpose()?)))
    }
}

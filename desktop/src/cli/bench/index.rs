//! `medley bench --index`: how fast photographs are read, encoded, and both; and what decoding at a scale changes.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, bail};
use image::codecs::jpeg::JpegEncoder;
use image::imageops::FilterType;
use image::{Rgb, RgbImage, imageops};
use medley::DeviceChoice;
use rayon::prelude::*;
use serde_json::json;

use super::super::print;
use crate::engine::{Engine, ModelChoice, Pixels, Request, Urgency};
use crate::library::Library;
use crate::library::decode::{MAX_PIXELS, picture, reduced_bytes};
use crate::library::index::{IndexOptions, index, read_only};
use crate::library::scan::scan;

/// Photographs that are enlarged to what cameras make.
const ENLARGED: usize = 200;

/// Pixels of an enlarged photograph's sides: twelve million.
const CAMERA: (u32, u32) = (4000, 3000);

/// Noise of a sensor, in levels.
const NOISE: f32 = 4.0;

/// Measures with the built-in model on a device.
pub fn run(folder: &Path, device: DeviceChoice, as_json: bool) -> Result<()> {
    let engine = Engine::open(ModelChoice::default(), device, &mut |_| ())?;
    let place = tempfile::tempdir()?;
    let roots = [folder.to_owned()];
    let scanned = scan(folder, &roots, place.path(), &mut |_| ControlFlow::Continue(()))?;
    let paths: Vec<PathBuf> = scanned.files.into_iter().map(|file| file.path).collect();
    if paths.is_empty() {
        bail!("{} holds no photographs", folder.display());
    }
    let show = |work: &str, count: usize, seconds: f64| {
        let rate = count as f64 / seconds;
        match as_json {
            true => {
                print(&json!({ "device": engine.about().device, "work": work, "count": count, "seconds": seconds }))
            }
            false => print(&format_args!("{work:<44} {count:>7} {seconds:>9.3} s {rate:>9.1}/s")),
        }
    };
    let options = IndexOptions::default();
    let library = Library::open(&place.path().join("read"))?;
    let mut some = Vec::new();
    let start = Instant::now();
    read_only(&library, &engine.about().preprocessor, &paths, &options, &mut |pixels| {
        if some.len() < options.batch {
            some.extend(pixels);
        }
    });
    show("reading: decode, hash, thumbnail, pixels", paths.len(), start.elapsed().as_secs_f64());

    let batches = paths.len().div_ceil(some.len().max(1));
    let start = Instant::now();
    for _ in 0..batches {
        features(&engine, some.clone())?;
    }
    show("encoding: batches of 16", batches * some.len(), start.elapsed().as_secs_f64());

    let library = Library::open(&place.path().join("whole"))?;
    let summary = index(&library, &engine, &roots, &options, &mut |_| ControlFlow::Continue(()))?;
    show("indexing: both, and writing down", summary.embedded, summary.seconds);
    let (model, cores) = (summary.engine_share(), summary.core_share());
    match as_json {
        true => print(&json!({ "work": "busy while indexing", "model": model, "cores": cores })),
        false => {
            print(&format_args!("  busy meanwhile: the model {:.0}%, the cores {:.0}%", 100.0 * model, 100.0 * cores));
        }
    }
    let summary = index(&library, &engine, &roots, &options, &mut |_| ControlFlow::Continue(()))?;
    show("indexing again: nothing is new", summary.unchanged, summary.seconds);
    scales(&engine, &paths, &show, as_json)
}

/// Compares features of photographs that were decoded whole and at a scale.
fn scales(engine: &Engine, paths: &[PathBuf], show: &impl Fn(&str, usize, f64), as_json: bool) -> Result<()> {
    let preprocessor = &engine.about().preprocessor;
    let side = preprocessor.image_size_px as u32;
    let least = [1, 2, 4].map(|times| times * side);
    let paths: Vec<&PathBuf> = paths.iter().step_by((paths.len() / ENLARGED).max(1)).take(ENLARGED).collect();
    let files: Vec<Vec<u8>> = paths.par_iter().filter_map(|path| enlarged(path).ok()).collect();
    let decode = |file: &Vec<u8>, least: u32| -> Result<Pixels> {
        let decoded = reduced_bytes(Path::new(""), file, least, preprocessor.alpha, MAX_PIXELS)?;
        Ok(Arc::new(preprocessor.pixels_of(&decoded.picture)))
    };
    let decode_all = |least: u32| -> Result<(Vec<Vec<f32>>, f64)> {
        let start = Instant::now();
        let pixels = files.iter().map(|file| decode(file, least)).collect::<Result<Vec<_>>>()?;
        let seconds = start.elapsed().as_secs_f64();
        let mut all = Vec::new();
        for batch in pixels.chunks(16) {
            all.extend(features(engine, batch.to_vec())?);
        }
        Ok((all, seconds))
    };
    let (whole, seconds) = decode_all(u32::MAX)?;
    show("12 megapixels, whole, one thread", files.len(), seconds);
    for least in least {
        let (scaled, seconds) = decode_all(least)?;
        let cosines: Vec<f32> = whole.iter().zip(&scaled).map(|(one, other)| cosine(one, other)).collect();
        let (mean, worst) =
            (cosines.iter().sum::<f32>() / cosines.len() as f32, cosines.iter().copied().fold(f32::INFINITY, f32::min));
        let work = format!("12 megapixels, sides of at least {least}");
        show(&work, files.len(), seconds);
        match as_json {
            true => print(&json!({ "work": work, "mean_cosine": mean, "least_cosine": worst })),
            false => print(&format_args!("  cosine with whole: mean {mean:.6}, least {worst:.6}")),
        }
    }
    Ok(())
}

/// A photograph as a camera would have made it: large, with a sensor's noise.
fn enlarged(path: &Path) -> Result<Vec<u8>> {
    let small = picture(path, MAX_PIXELS)?;
    let mut large: RgbImage = imageops::resize(&small, CAMERA.0, CAMERA.1, FilterType::CatmullRom);
    let mut state = 7_u64;
    // Three evenly spread numbers are nearly a normal one.
    let mut noise = || {
        let mut even = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1_u64 << 24) as f32 - 0.5
        };
        2.0 * NOISE * (even() + even() + even())
    };
    for pixel in large.pixels_mut() {
        let Rgb(levels) = *pixel;
        *pixel = Rgb(levels.map(|level| (f32::from(level) + noise()).round().clamp(0.0, 255.0) as u8));
    }
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, 90).encode_image(&large)?;
    Ok(bytes)
}

fn features(engine: &Engine, pictures: Vec<Pixels>) -> Result<Vec<Vec<f32>>> {
    engine.ask(Urgency::Task, Request::PictureFeatures(pictures)).features()
}

fn cosine(one: &[f32], other: &[f32]) -> f32 {
    let dot = |one: &[f32], other: &[f32]| one.iter().zip(other).map(|(one, other)| one * other).sum::<f32>();
    dot(one, other) / (dot(one, one) * dot(other, other)).sqrt()
}

//! The decoder in candle's tensors, beside plain 32-bit formulas and the decoder of the CPU: on the CPU everywhere, and
//! on an NVIDIA card where Ponto is built with the feature `cuda` and there is one.

use std::path::Path;

use candle_core::Device;
use candle_core::quantized::GgmlDType;
use ponto::inference::candle::cache::Sequence;
use ponto::inference::candle::decoder::{Decoder, Part};
use ponto::inference::candle::device::{ComputeDevice, DeviceDecoder};
use ponto::inference::candle::gguf::Gguf;
use ponto::inference::candle::model::Model;

use crate::architectures::{ARCHITECTURES, LARGE, LARGE_BLOCKS, SMALL, SMALL_BLOCKS};
use crate::architectures::{bound, distance, prompt, write};
use crate::support::reference::Reference;
use crate::support::tiny::{VOCABULARY, WINDOW};

/// Longest sequence of the tests.
const CONTEXT: usize = 512;

fn on_device(path: &Path, device: &Device) -> Model {
    let file = Gguf::open(path).unwrap();
    Model::Device(Box::new(DeviceDecoder::load(&file, CONTEXT, device.clone()).unwrap()))
}

fn on_cpu(path: &Path) -> Model {
    Decoder::load(&Gguf::open(path).unwrap(), CONTEXT).unwrap().into()
}

/// Reads tokens behind a sequence; the scores of the last `scores` of them.
fn read(model: &mut Model, sequence: &mut Sequence, tokens: &[u32], scores: usize) -> Vec<f32> {
    model.forward(&mut [Part { sequence, tokens, scores }]).unwrap()
}

/// Every architecture in every quantisation; what is too far from the reference.
fn far_from_the_reference(device: &Device) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    let tokens = prompt(3 * WINDOW);
    let mut wrong = Vec::new();
    let kinds = SMALL_BLOCKS.map(|dtype| (dtype, SMALL)).into_iter();
    for (dtype, widths) in kinds.chain(LARGE_BLOCKS.map(|dtype| (dtype, LARGE))) {
        for architecture in ARCHITECTURES {
            write(architecture, widths, dtype, &path);
            let expected = Reference::open(&path).scores(&tokens);
            let scores = read(&mut on_device(&path, device), &mut Sequence::default(), &tokens, 1);
            let distance = distance(&scores, &expected);
            println!("{architecture} {dtype:?}: {distance:.4}");
            if distance.is_nan() || distance > bound(architecture, dtype) {
                wrong.push(format!("{architecture} in {dtype:?}: {distance}"));
            }
        }
    }
    wrong
}

/// What an engine does with sequences: several in one pass, one of them behind what it held, some with scores of their
/// last tokens and one without any; a guess that is taken back; and so many at once that other kernels compute. Both
/// decoders go the same way; what is too far apart.
fn far_from_the_cpu(device: &Device) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    let mut wrong = Vec::new();
    for dtype in [GgmlDType::F16, GgmlDType::Q8_0] {
        for architecture in ARCHITECTURES {
            write(architecture, SMALL, dtype, &path);
            let (here, there) = (steps(&mut on_cpu(&path)), steps(&mut on_device(&path, device)));
            assert_eq!(here.len(), there.len());
            for (step, (here, there)) in here.iter().zip(&there).enumerate() {
                let distance = distance(there, here);
                // Each lies within the bound of the truth.
                if distance.is_nan() || distance > 2.0 * bound(architecture, dtype) {
                    wrong.push(format!("{architecture} in {dtype:?}, step {step}: {distance}"));
                }
            }
        }
    }
    wrong
}

/// Scores of some steps, one list a token.
fn steps(model: &mut Model) -> Vec<Vec<f32>> {
    let tokens = prompt(300);
    let mut all = Vec::new();
    let mut keep = |scores: Vec<f32>| all.extend(scores.chunks_exact(VOCABULARY).map(<[f32]>::to_vec));
    let [mut first, mut second, mut third] = [(); 3].map(|()| Sequence::default());
    assert!(read(model, &mut first, &tokens[..130], 0).is_empty());
    let parts = &mut [
        Part { sequence: &mut first, tokens: &tokens[130..270], scores: 1 },
        Part { sequence: &mut second, tokens: &tokens[40..90], scores: 3 },
        Part { sequence: &mut third, tokens: &tokens[7..8], scores: 0 },
    ];
    keep(model.forward(parts).unwrap());
    keep(read(model, &mut first, &[tokens[270], 9, 8, 7], 4));
    first.truncate(271);
    keep(read(model, &mut first, &tokens[271..272], 1));
    assert_eq!([first.len(), second.len(), third.len()], [272, 50, 1]);
    let mut many: Vec<Sequence> = (0..11).map(|_| Sequence::default()).collect();
    for (number, sequence) in many.iter_mut().enumerate() {
        read(model, sequence, &tokens[number..=5 * number], 0);
    }
    let mut parts: Vec<Part<'_>> =
        many.iter_mut().map(|sequence| Part { sequence, tokens: &tokens[299..], scores: 1 }).collect();
    keep(model.forward(&mut parts).unwrap());
    all
}

#[test]
fn every_quantisation_gives_the_scores_of_its_weights() {
    assert_eq!(far_from_the_reference(&Device::Cpu), [""; 0]);
}

#[test]
fn sequences_in_steps_give_the_scores_of_the_cpu_decoder() {
    assert_eq!(far_from_the_cpu(&Device::Cpu), [""; 0]);
}

#[test]
fn a_token_that_the_model_does_not_have_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    write("llama", SMALL, GgmlDType::F16, &path);
    let mut model = on_device(&path, &Device::Cpu);
    let mut sequence = Sequence::default();
    let known = Part { sequence: &mut sequence, tokens: &[1, VOCABULARY as u32], scores: 1 };
    let error = model.forward(&mut [known]).unwrap_err();
    assert!(error.to_string().contains(&format!("no row {VOCABULARY}")), "{error}");
    assert!(sequence.is_empty());
}

/// On the first card; skipped where there is none.
#[cfg(feature = "cuda")]
#[test]
fn a_card_gives_the_same_scores() {
    let device = match ComputeDevice::Cuda.open() {
        Ok(device) => device.unwrap(),
        Err(error) => {
            println!("skipped: {error}");
            return;
        }
    };
    assert_eq!(far_from_the_reference(&device), [""; 0]);
    assert_eq!(far_from_the_cpu(&device), [""; 0]);
}

#[cfg(not(feature = "cuda"))]
#[test]
fn without_the_feature_a_card_is_refused_with_what_to_do() {
    let error = ComputeDevice::Cuda.open().unwrap_err();
    assert!(error.to_string().contains("--features cuda"), "{error}");
}

//! Every architecture in every quantisation, on small random models, beside plain 32-bit formulas.

use std::path::Path;
use std::time::Duration;

use candle_core::quantized::GgmlDType;
use ponto::inference::Budget;
use ponto::inference::candle::CandleOptions;
use ponto::inference::candle::chat::load_engine;
use ponto::inference::candle::engine::Engine;

use crate::support::reference::Reference;
use crate::support::tiny::{Tiny, VOCABULARY, WINDOW, Widths};

pub(crate) const ARCHITECTURES: [&str; 4] = ["llama", "qwen2", "qwen3", "gemma3"];

/// Quantisations with blocks of 32 weights, and F16. Widths that are no multiple of 64 leave a rest to every kernel.
pub(crate) const SMALL_BLOCKS: [GgmlDType; 6] =
    [GgmlDType::Q4_0, GgmlDType::Q4_1, GgmlDType::Q5_0, GgmlDType::Q5_1, GgmlDType::Q8_0, GgmlDType::F16];
pub(crate) const SMALL: Widths = Widths { hidden: 160, feed_forward: 224, head: 40 };

/// Quantisations with blocks of 256 weights.
pub(crate) const LARGE_BLOCKS: [GgmlDType; 3] = [GgmlDType::Q4K, GgmlDType::Q5K, GgmlDType::Q6K];
pub(crate) const LARGE: Widths = Widths { hidden: 256, feed_forward: 256, head: 64 };

/// How far the scores may lie from the reference, as a share of the scores' own length.
///
/// The weights are the same; the kernels round the activations to 8 bits. Of a block of 32 values the largest is about
/// twice their root mean square (of 256, about 2.8 times), so that a step of its 127th rounds every value by
/// 2 / 127 / √12 = 0.5 % (0.6 %), and what is rounded of the products of a feed-forward network, whose tails are long,
/// by 1 %. Roundings are independent and add up like √n: two layers of four and the output give 1 to 2 %, the six
/// layers of a gemma3 model, whose normalisations keep all of them equally loud, 2 to 3 %. A mistake in the graph
/// shows far more: a window of one position more, another base or no scale of the positions, another activation move
/// the scores of these gemma3 models by 9 % and more.
pub(crate) fn bound(architecture: &str, dtype: GgmlDType) -> f32 {
    match (dtype, architecture) {
        // Activations, keys and values as 16-bit floats at worst: a thousandth.
        (GgmlDType::F16, _) => 0.005,
        (_, "gemma3") => 0.05,
        _ => 0.03,
    }
}

/// Tokens in no order that repeats within a window.
pub(crate) fn prompt(length: usize) -> Vec<u32> {
    (0..length).map(|i| (i * i * 7919 % 256) as u32).collect()
}

fn read(engine: &mut Engine, tokens: &[u32]) -> Vec<f32> {
    engine.read(tokens, &Budget::of(Duration::from_mins(1)), &()).unwrap()
}

/// Length of the difference over the length of `expected`.
pub(crate) fn distance(actual: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(actual.len(), expected.len());
    let length =
        |values: &mut dyn Iterator<Item = f32>| values.map(|value| value * value).sum::<f32>().sqrt();
    length(&mut actual.iter().zip(expected).map(|(a, b)| a - b)) / length(&mut expected.iter().copied())
}

fn load(architecture: &str, path: &Path) -> Engine {
    let options = CandleOptions { context_length: 512, ..CandleOptions::default() };
    load_engine(architecture, path, "test", options).unwrap()
}

/// A model of random weights; of two families the output matrix is not the embedding.
pub(crate) fn write(architecture: &str, widths: Widths, dtype: GgmlDType, path: &Path) {
    let mut tiny = Tiny::of(architecture, widths);
    if architecture.starts_with("qwen") {
        let output = tiny.tensors[0].1.affine(-0.5, 0.0).unwrap();
        tiny.tensors.push(("output.weight".into(), output));
    }
    tiny.write_as(path, dtype);
}

#[test]
fn every_quantisation_gives_the_scores_of_its_weights() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    let kinds = SMALL_BLOCKS.map(|dtype| (dtype, SMALL)).into_iter();
    for (dtype, widths) in kinds.chain(LARGE_BLOCKS.map(|dtype| (dtype, LARGE))) {
        for architecture in ARCHITECTURES {
            write(architecture, widths, dtype, &path);
            let expected = Reference::open(&path).scores(&prompt(3 * WINDOW));
            assert_eq!(expected.len(), VOCABULARY);
            let actual = read(&mut load(architecture, &path), &prompt(3 * WINDOW));
            let distance = distance(&actual, &expected);
            println!("{architecture} {dtype:?}: {distance:.4}");
            assert!(distance <= bound(architecture, dtype), "{architecture} in {dtype:?}: {distance}");
        }
    }
}

/// However a sequence is cut, its last scores are those of the whole: a prompt, a second one behind it, then single
/// tokens. The pieces are longer than a window and end inside and behind what the engine reads at once.
#[test]
fn a_sequence_in_pieces_gives_the_scores_of_the_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    let tokens = prompt(300);
    for dtype in [GgmlDType::F16, GgmlDType::Q8_0] {
        for architecture in ARCHITECTURES {
            write(architecture, SMALL, dtype, &path);
            let reference = Reference::open(&path);
            let mut engine = load(architecture, &path);
            let mut scores = read(&mut engine, &tokens[..130]);
            let mut held = 130;
            for length in [130, 290, 291, 292, 293] {
                if length > held {
                    scores = engine.step(&tokens[held..length], true).unwrap();
                    held = length;
                }
                let distance = distance(&scores, &reference.scores(&tokens[..length]));
                assert!(
                    distance <= bound(architecture, dtype),
                    "{architecture} in {dtype:?} after {length} tokens: {distance}"
                );
            }
        }
    }
}

//! Local inference on candle-core.
//!
//! [`CandleChat`] decodes GGUF files of the llama, qwen2, qwen3 and gemma3 architectures on the CPU. Everything it needs
//! comes from the file: hyper-parameters, tokenizer, chat template. The path of one call:
//!
//! 1. [`chat`]: the request enters a bounded queue in front of one thread that owns the model;
//! 2. [`template`]: messages become a prompt by the file's own chat template;
//! 3. [`tokenizer`]: the prompt becomes tokens;
//! 4. [`engine`]: with the other requests that run, in steps: the prompt is read in chunks behind the longest prefix that
//!    [`cache`] knows, then [`sampler`] picks one token after another of those that the reply's schema allows
//!    (`constraint`), more at once where `speculation` guessed right, until the reply ends or goes round in circles
//!    (`repetition`), and [`text`] turns them into text;
//! 5. [`decoder`]: one forward pass for all of them, whose weights stay quantised ([`kernels`]), on the threads of a
//!    [`team`].
//!
//! Or on a graphics card, with candle's kernels: [`device`]. Weights and their names are the same for both (`network`),
//! and [`model`] is whichever was loaded.
//!
//! [`CandleEmbedder`] maps texts to vectors with a BERT or XLM-RoBERTa encoder, on the same kernels.

mod attend;
pub mod cache;
pub mod chat;
mod constraint;
pub mod decoder;
pub mod device;
pub mod embedder;
pub mod engine;
pub mod error;
pub mod gguf;
pub mod hyperparameters;
pub mod kernels;
mod linear;
pub mod model;
mod network;
mod repetition;
pub mod rope;
pub mod sampler;
mod speculation;
pub mod team;
pub mod template;
pub mod text;
pub mod threads;
pub mod tokenizer;
pub mod weights;

pub use chat::{CandleChat, CandleConfig, CandleOptions};
pub use embedder::{CandleEmbedder, EmbedderOptions};
pub use error::LoadError;

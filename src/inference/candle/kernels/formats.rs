//! How quantised weights lie in a tile of sixteen outputs, and how they are read from there.
//!
//! A block of a tile is 32 inputs of sixteen outputs: vectors of 32-bit words, one lane an output. The numbers are those
//! of GGML's formats (`ggml-common.h` of <https://github.com/ggml-org/ggml>), and so is their size: only the order of
//! the bits is another, the same for every format of a width, so that four inputs are one shift and one mask away.
#![expect(clippy::inline_always, reason = "what is not inlined is not compiled for the wider vectors")]

use super::simd::{Simd, WIDTH};

/// Inputs of a block.
pub(super) const BLOCK: usize = 32;
/// Inputs of a superblock.
pub(super) const SUPER: usize = 256;
/// Inputs that are multiplied at once.
pub(super) const GROUP: usize = 4;

/// How the values of a block are written, by their width.
pub(super) trait Bits: Copy {
    /// Vectors of a block.
    const WORDS: usize;
    /// Whether values pass 127.
    const WIDE: bool = false;

    /// Values of inputs `4 · group` to `4 · group + 3` of sixteen outputs, one byte each.
    ///
    /// # Safety
    /// The processor has `S`; there are `WORDS` vectors at `block`.
    unsafe fn group<S: Simd>(block: *const u8, group: usize) -> S::Ints;

    /// One output's words.
    fn pack(values: &[u8; BLOCK], words: &mut [[u8; 4]]);
}

/// Four bits: byte j of word i holds input `4i + j` below and input `16 + 4i + j` above.
#[derive(Clone, Copy)]
pub(super) struct Four;

/// Five bits: as [`Four`], and in a word more, bit g of byte j, the fifth bit of input `4g + j`.
#[derive(Clone, Copy)]
pub(super) struct Five;

/// Six bits: as [`Four`], and in two words more the upper bits: those of input `4g + j` in word g / 4, byte j, from
/// bit 2 · (g mod 4) on.
#[derive(Clone, Copy)]
pub(super) struct Six;

/// Eight bits: byte j of word i is input `4i + j`.
#[derive(Clone, Copy)]
pub(super) struct Eight;

#[inline(always)]
unsafe fn word<S: Simd>(block: *const u8, at: usize) -> S::Ints {
    // SAFETY: the caller promises that the block has this word.
    unsafe { S::load(block.add(at * WIDTH)) }
}

/// Moves bit `from` of each byte to bit `to`; the neighbours move along.
#[inline(always)]
unsafe fn moved<S: Simd>(bytes: S::Ints, from: u32, to: u32) -> S::Ints {
    // SAFETY: the caller promises the features.
    unsafe { if from <= to { S::shl(bytes, to - from) } else { S::shr(bytes, from - to) } }
}

fn pack_nibbles(values: &[u8; BLOCK], words: &mut [[u8; 4]]) {
    for (index, word) in words[..4].iter_mut().enumerate() {
        for (j, byte) in word.iter_mut().enumerate() {
            let k = index * GROUP + j;
            *byte = values[k] & 15 | values[k + BLOCK / 2] << 4;
        }
    }
}

impl Bits for Four {
    const WORDS: usize = 4;

    #[inline(always)]
    unsafe fn group<S: Simd>(block: *const u8, group: usize) -> S::Ints {
        // SAFETY: the caller's promise.
        unsafe {
            let both = word::<S>(block, group % 4);
            S::and(if group < 4 { both } else { S::shr(both, 4) }, S::splat(0x0f0f_0f0f))
        }
    }

    fn pack(values: &[u8; BLOCK], words: &mut [[u8; 4]]) {
        pack_nibbles(values, words);
    }
}

impl Bits for Five {
    const WORDS: usize = 5;

    #[inline(always)]
    unsafe fn group<S: Simd>(block: *const u8, group: usize) -> S::Ints {
        // SAFETY: the caller's promise.
        unsafe {
            let fifth = moved::<S>(word::<S>(block, 4), group as u32, 4);
            S::or(Four::group::<S>(block, group), S::and(fifth, S::splat(0x1010_1010)))
        }
    }

    fn pack(values: &[u8; BLOCK], words: &mut [[u8; 4]]) {
        pack_nibbles(values, words);
        words[4] = std::array::from_fn(|j| {
            (0..BLOCK / GROUP).fold(0, |byte, g| byte | (values[g * GROUP + j] >> 4 & 1) << g)
        });
    }
}

impl Bits for Six {
    const WORDS: usize = 6;

    #[inline(always)]
    unsafe fn group<S: Simd>(block: *const u8, group: usize) -> S::Ints {
        // SAFETY: the caller's promise.
        unsafe {
            let upper = moved::<S>(word::<S>(block, 4 + group / 4), 2 * (group as u32 % 4), 4);
            S::or(Four::group::<S>(block, group), S::and(upper, S::splat(0x3030_3030)))
        }
    }

    fn pack(values: &[u8; BLOCK], words: &mut [[u8; 4]]) {
        pack_nibbles(values, words);
        for (index, word) in words[4..6].iter_mut().enumerate() {
            *word = std::array::from_fn(|j| {
                (0..4).fold(0, |byte, g| byte | (values[index * 16 + g * GROUP + j] >> 4 & 3) << (2 * g))
            });
        }
    }
}

impl Bits for Eight {
    const WORDS: usize = 8;
    const WIDE: bool = true;

    #[inline(always)]
    unsafe fn group<S: Simd>(block: *const u8, group: usize) -> S::Ints {
        // SAFETY: the caller's promise.
        unsafe { word::<S>(block, group) }
    }

    fn pack(values: &[u8; BLOCK], words: &mut [[u8; 4]]) {
        for (word, values) in words.iter_mut().zip(values.chunks_exact(GROUP)) {
            word.copy_from_slice(values);
        }
    }
}

/// Blocks with a scale, and with a minimum where `MINIMUM` is set: `w = scale · (q − 2^SHIFT) + minimum`, without an
/// offset where `SHIFT` is 0. The scales lie apart from the tiles, as vectors of half-precision numbers.
pub(super) trait Flat: Copy {
    type Bits: Bits;
    const SHIFT: u32;
    const MINIMUM: bool;
}

/// A [`Flat`] format by its parts.
#[derive(Clone, Copy)]
pub(super) struct Simple<B, const SHIFT: u32, const MINIMUM: bool>(std::marker::PhantomData<B>);

impl<B: Bits, const SHIFT: u32, const MINIMUM: bool> Flat for Simple<B, SHIFT, MINIMUM> {
    type Bits = B;
    const SHIFT: u32 = SHIFT;
    const MINIMUM: bool = MINIMUM;
}

/// Superblocks of eight blocks, of which every `SUB` inputs have a whole-number scale beside one in half precision:
/// `w = d · scale · (q − 2^SHIFT) − dmin · minimum`. Words of scales stand before the blocks.
pub(super) trait Nested: Copy {
    type Bits: Bits;
    /// Vectors of scales.
    const HEAD: usize;
    /// Vectors of a superblock.
    const WORDS: usize = Self::HEAD + SUPER / BLOCK * Self::Bits::WORDS;
    /// Inputs that share a scale: 16 or 32.
    const SUB: usize;
    const SHIFT: u32;
    const MINIMUM: bool;

    /// The scales of its blocks.
    ///
    /// # Safety
    /// The processor has `S`; there is a superblock at `tile`.
    unsafe fn scales<S: Simd>(tile: *const u8) -> Scales<S>;

    /// What its blocks share.
    ///
    /// # Safety
    /// As above.
    unsafe fn shared<S: Simd>(tile: *const u8) -> Shared<S>;
}

/// The scales of a superblock's blocks, one byte each.
#[derive(Clone, Copy)]
pub(super) struct Scales<S: Simd> {
    packed: [S::Ints; 4],
    signed: bool,
}

/// What the blocks of a superblock share: `d` and `dmin`, and minimums of one byte each.
#[derive(Clone, Copy)]
pub(super) struct Shared<S: Simd> {
    pub(super) minimums: [S::Ints; 2],
    pub(super) scale: S::Floats,
    pub(super) minimum: S::Floats,
}

impl<S: Simd> Scales<S> {
    /// The scale of one block.
    #[inline(always)]
    pub(super) unsafe fn of(&self, block: usize) -> S::Floats {
        let (word, byte) = (self.packed[block / 4], block as u32 % 4);
        // SAFETY: the caller promises the features.
        unsafe {
            S::float(if self.signed {
                S::sar(S::shl(word, 24 - 8 * byte), 24)
            } else {
                S::and(S::shr(word, 8 * byte), S::splat(0xff))
            })
        }
    }
}

/// `Q4_K` and `Q5_K`: a word with `d` and `dmin`, and three of six-bit scales and minimums, as in the file.
#[derive(Clone, Copy)]
pub(super) struct WithMinimums<B>(std::marker::PhantomData<B>);

/// `Q6_K`: four words of scales, and one with `d`.
#[derive(Clone, Copy)]
pub(super) struct Symmetric;

impl<B: Bits> Nested for WithMinimums<B> {
    type Bits = B;
    const HEAD: usize = 4;
    const SUB: usize = 32;
    const SHIFT: u32 = 0;
    const MINIMUM: bool = true;

    #[inline(always)]
    unsafe fn scales<S: Simd>(tile: *const u8) -> Scales<S> {
        // SAFETY: the caller's promise.
        unsafe {
            let (early, late) = (word::<S>(tile, 1), word::<S>(tile, 3));
            let late = with_top::<S>(S::and(late, S::splat(0x0f0f_0f0f)), early);
            Scales { packed: [S::and(early, S::splat(0x3f3f_3f3f)), late, late, late], signed: false }
        }
    }

    #[inline(always)]
    unsafe fn shared<S: Simd>(tile: *const u8) -> Shared<S> {
        // SAFETY: the caller's promise.
        unsafe {
            let (d, early, late) = (word::<S>(tile, 0), word::<S>(tile, 2), word::<S>(tile, 3));
            let late = with_top::<S>(S::and(S::shr(late, 4), S::splat(0x0f0f_0f0f)), early);
            Shared {
                minimums: [S::and(early, S::splat(0x3f3f_3f3f)), late],
                scale: S::low_halves(d),
                minimum: S::low_halves(S::shr(d, 16)),
            }
        }
    }
}

/// Four lower bits with two upper ones, which stand at the top of the bytes of the first four blocks.
#[inline(always)]
unsafe fn with_top<S: Simd>(low: S::Ints, early: S::Ints) -> S::Ints {
    // SAFETY: the caller promises the features.
    unsafe { S::or(low, S::and(S::shr(early, 2), S::splat(0x3030_3030))) }
}

impl Nested for Symmetric {
    type Bits = Six;
    const HEAD: usize = 5;
    const SUB: usize = 16;
    const SHIFT: u32 = 5;
    const MINIMUM: bool = false;

    #[inline(always)]
    unsafe fn scales<S: Simd>(tile: *const u8) -> Scales<S> {
        // SAFETY: the caller's promise.
        unsafe {
            let words = [word::<S>(tile, 0), word::<S>(tile, 1), word::<S>(tile, 2), word::<S>(tile, 3)];
            Scales { packed: words, signed: true }
        }
    }

    #[inline(always)]
    unsafe fn shared<S: Simd>(tile: *const u8) -> Shared<S> {
        // SAFETY: the caller's promise.
        unsafe {
            Shared {
                minimums: [S::splat(0); 2],
                scale: S::low_halves(word::<S>(tile, 4)),
                minimum: S::splat_float(0.0),
            }
        }
    }
}

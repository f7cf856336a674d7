//! Memory for weights, in large pages where the system has them.

use memmap2::MmapMut;

use super::simd::WIDTH;

/// A vector's worth of bytes where vectors begin.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Line(pub(super) [u8; WIDTH]);

/// Zeroed lines. They are read from end to end for every token, and with pages of 4 KB a processor spends much of that
/// time on looking pages up: so the system is asked for large ones.
#[derive(Debug)]
pub(super) struct Lines {
    map: MmapMut,
    count: usize,
}

impl Lines {
    /// So many lines of zeros; `None` where the system has no memory for them.
    pub(super) fn zeroed(count: usize) -> Option<Self> {
        let map = MmapMut::map_anon(count.checked_mul(WIDTH)?.max(WIDTH)).ok()?;
        #[cfg(target_os = "linux")]
        if let Err(error) = map.advise(memmap2::Advice::HugePage) {
            tracing::debug!(%error, "weights lie in pages of the usual size");
        }
        Some(Self { map, count })
    }
}

impl std::ops::Deref for Lines {
    type Target = [Line];

    fn deref(&self) -> &[Line] {
        // SAFETY: the map has `count` lines, begins where a page does, and any bytes are a line.
        unsafe { std::slice::from_raw_parts(self.map.as_ptr().cast(), self.count) }
    }
}

impl std::ops::DerefMut for Lines {
    fn deref_mut(&mut self) -> &mut [Line] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.map.as_mut_ptr().cast(), self.count) }
    }
}

//! Work that is compiled twice: for every processor of its kind, and for those that have AVX2. Which one runs is decided
//! when it runs. This is the crate's only unsafe code.
#![allow(unsafe_code)]

/// Something to do, `#[inline(always)]` with all that it calls, so that it becomes part of what calls it.
pub(crate) trait Work {
    /// Does it.
    fn run(self);
}

/// Does it with the widest vectors that the processor has. No lock, no allocation: the standard library asks the
/// processor once and remembers the answer in an atomic number.
pub(crate) fn run<W: Work>(work: W) {
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2, which is all that the function wants.
        unsafe { run_avx2(work) };
        return;
    }
    work.run();
}

/// # Safety
/// The processor has AVX2.
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
#[target_feature(enable = "avx2")]
unsafe fn run_avx2<W: Work>(work: W) {
    work.run();
}

//! The stack of 32-bit programs.
//!
//! i386 asks for four bytes. That every function may take sixteen for granted is a custom that compilers came
//! to around 2000; programs of before, of other compilers, and those built for size (`-Os`, then) do not keep
//! it. Rust's code keeps what it does with vectors on the stack, and an instruction that finds less than
//! sixteen there ends the program. So whatever the program, or the C library for it, calls has its own frame
//! aligned first.

/// Has the function that this stands in align its stack, whatever its caller's is: to be called first. Nothing
/// at all on other machines, which have one rule.
#[inline(always)]
pub fn align() {
    #[cfg(target_arch = "x86")]
    {
        use core::mem::MaybeUninit;

        /// More than is taken for granted: a frame with room for it is aligned by the compiler.
        #[repr(align(32))]
        struct Room(#[allow(dead_code, reason = "only its alignment counts")] [u8; 32]);

        let mut room = MaybeUninit::<Room>::uninit();
        // SAFETY: a comment is all that there is; the room's address is wanted, so there has to be room.
        unsafe {
            core::arch::asm!("/* {} */", in(reg) room.as_mut_ptr(), options(nomem, nostack, preserves_flags));
        }
    }
}

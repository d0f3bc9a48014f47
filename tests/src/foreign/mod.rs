//! A device's caller that is another process: a supervisor serves the system calls of a program that has nothing of ours
//! in it. It proves that `driver/device` knows no process: arguments and frames are read and written by
//! process_vm_readv and process_vm_writev, descriptors are given and fetched, buffers lie in a file that the program
//! maps by itself.
//!
//! The program's calls come by seccomp's user notification. It gets the device's own descriptor, so poll, hang-ups
//! and its end are the kernel's business. For an mmap the number becomes the window's file for as long as that call
//! takes, and is the device again at the program's next call by it.
//!
//! What a real supervisor needs besides is not here: threads and children of the program, duplicates of a number, signals
//! while a call waits, i386.

mod caller;
mod notify;
mod supervisor;

pub use supervisor::supervise;

//! The text views through which programs find a vloopback pipe.
//!
//! Programs of the 2.4 era read `/proc/video/vloopback/vloopbacks`, those of the 2.6 era
//! `/sys/class/video4linux/videoN/name`, some ask every `/dev/videoN`. This crate writes those
//! views, reads them, and claims a pipe in each of the three ways.
//!
//! - [`model`]: what the views show, as plain values.
//! - [`render`]: values to text, byte for byte what old parsers expect.
//! - [`parse`]: text to values, as tolerant as the old parsers are, and a strict variant.
//! - [`tree`]: all views as a tree of plain files, and a [`tree::Writer`] that keeps it on disk.
//! - [`claim`]: how a pusher claims a free pipe.
//! - [`owners`]: names of the processes that hold a pipe open.
//!
//! Nothing here talks to the daemon: it hands in a [`model::Snapshot`].

#![forbid(unsafe_code)]

pub mod claim;
pub mod model;
pub mod owners;
pub mod parse;
pub mod render;
pub mod tree;

pub use claim::{
    ClaimError, ClaimOptions, Claimed, claim_by_scan, claim_by_scan_with, claim_by_sysfs,
    claim_by_sysfs_with, claim_free_pipe, claim_free_pipe_with,
};
pub use model::{Counters, Direction, FormatView, NodeAccess, Owner, PipeView, Rate, Role, Snapshot};
pub use parse::{ParseError, Row};
pub use tree::{Entry, EntryKind, TreeError, TreeOptions, Writer};

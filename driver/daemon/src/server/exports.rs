//! Memory of buffers that programs have exported (VIDIOC_EXPBUF). It belongs to the open file, so the daemon
//! keeps it: whoever shares the open file gets the same.

use std::collections::BTreeMap;

use nix::errno::Errno;
use tracing::info;
use vloopback_ring::{MAX_BUFFERS, PAGE_LEN};
use vloopback_wire::Reply;

use super::Engine;
use crate::memory::SharedFile;

/// An open file's exported buffers.
#[derive(Debug, Default)]
pub(super) struct Exports {
    /// The REQBUFS that they are of.
    generation: u32,
    /// By index: the bytes, and the file.
    files: BTreeMap<u32, (u32, SharedFile)>,
}

impl Engine {
    /// A descriptor of the memory of buffer `index`, of `len` bytes, which is made if it is asked for the first
    /// time. Buffers of an earlier REQBUFS go; with `len` 0 nothing is made.
    ///
    /// EINVAL: no buffer's number or length. ENOMEM: more than two frames' bytes for each buffer that there can be, or
    /// no memory is left, or none for this user. ENFILE: the same of descriptors.
    pub(super) fn export(&mut self, id: u32, session: u32, asked: Export) -> bool {
        let result = self.with_session(id, session, |engine, session, pipe| {
            // A file has one buffer, or as many as lie in the window of a caller that maps by itself.
            let buffer = u64::from(engine.pipes[pipe].core.pix().sizeimage) * 2 + PAGE_LEN as u64;
            let most = buffer * MAX_BUFFERS as u64;
            let quotas = engine.quotas.clone();
            let Some(session) = engine.sessions.get_mut(&session) else { return Err(Errno::EBADF) };
            let uid = session.uid;
            let exports = &mut session.exports;
            if exports.generation != asked.generation {
                *exports = Exports { generation: asked.generation, ..Exports::default() };
            }
            if asked.len == 0 {
                return Ok(Reply::Done);
            }
            if asked.index as usize >= MAX_BUFFERS || asked.len as usize % PAGE_LEN != 0 {
                return Err(Errno::EINVAL);
            }
            if exports.files.get(&asked.index).is_none_or(|(len, ..)| *len != asked.len) {
                let others = exports.files.iter().filter(|(index, _)| **index != asked.index);
                let all = others.map(|(_, (len, _))| u64::from(*len)).sum::<u64>() + u64::from(asked.len);
                if all > most {
                    info!(
                        pipe,
                        len = asked.len,
                        "export refused: the buffers are larger than two frames each"
                    );
                    return Err(Errno::ENOMEM);
                }
                let file = SharedFile::new("vloopback-buffer", asked.len.into(), (&quotas, uid));
                let file = file.map_err(|e| match e {
                    // The first one becomes ENFILE on its way: it is not the program that has none left.
                    Errno::EMFILE | Errno::ENFILE => e,
                    _ => Errno::ENOMEM,
                })?;
                exports.files.insert(asked.index, (asked.len, file));
            }
            Ok(Reply::Done)
        });
        let file = self.sessions.get(&session).and_then(|s| s.exports.files.get(&asked.index));
        match (result, file) {
            (Ok(done), Some((_, file))) if asked.len != 0 => {
                self.answer(id, &done, &[file.fd(!asked.read_only)])
            }
            (Ok(done), _) => self.answer(id, &done, &[]),
            (Err(e), _) => self.answer(id, &Reply::Error(e as i32), &[]),
        }
    }

    /// VIDIOC_LOG_STATUS: what the pipe is at, into the daemon's log.
    pub(super) fn log_status(&self, session: u32, index: usize) -> Reply {
        let pipe = &self.pipes[index].core;
        let pix = pipe.pix();
        let (numerator, denominator) = pipe.interval();
        info!(
            node = self.sessions.get(&session).map(|s| s.info.node),
            pipe = index,
            format = %vloopback_abi::v4l2::Fourcc(pix.pixelformat),
            width = pix.width,
            height = pix.height,
            interval = %format_args!("{numerator}/{denominator}"),
            fed = pipe.feed().is_some(),
            zero_copy = pipe.zero() != 0,
            readers = pipe.readers(),
            streaming = pipe.streamers(),
            "status"
        );
        Reply::Done
    }
}

/// What [`Engine::export`] is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Export {
    pub(super) generation: u32,
    pub(super) index: u32,
    pub(super) len: u32,
    pub(super) read_only: bool,
}

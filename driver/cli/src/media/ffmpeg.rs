//! Every other format: an `ffmpeg` process, where one is installed, that writes YUV4MPEG2 to us.

use std::io::{self, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

/// A running decoder. It is killed when dropped, so that a long film does not outlive its reader.
#[derive(Debug)]
pub struct Decoder {
    child: Child,
    /// The decoded frames, as YUV4MPEG2.
    pub output: BufReader<ChildStdout>,
}

/// Starts to decode `path`.
///
/// # Errors
/// `NotFound` where ffmpeg is not installed; what the system says otherwise.
pub fn start(path: &Path) -> io::Result<Decoder> {
    // The "file:" keeps a name with a colon from being read as a protocol.
    let mut name = std::ffi::OsString::from("file:");
    name.push(path);
    let mut child = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-i"])
        .arg(name)
        .args(["-an", "-sn", "-f", "yuv4mpegpipe", "-pix_fmt", "yuv420p", "-"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let output = child.stdout.take().ok_or_else(|| io::Error::other("ffmpeg's output is not connected"))?;
    Ok(Decoder { child, output: BufReader::new(output) })
}

impl Decoder {
    /// What ffmpeg said on its standard error, for an error message. Ends the process.
    pub fn complaint(&mut self) -> String {
        // Killed first: one that still waits to write its output would never close its stderr.
        let _ = self.child.kill();
        let mut text = String::new();
        if let Some(stderr) = self.child.stderr.take() {
            let _ = stderr.take(4096).read_to_string(&mut text);
        }
        match text.trim() {
            "" => "it ended without a message".to_owned(),
            words => words.lines().collect::<Vec<_>>().join("; "),
        }
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // Both fail only when it has ended and been waited for already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

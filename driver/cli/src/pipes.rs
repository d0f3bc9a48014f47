//! The pipe that a word of the command line names.

use std::path::{Path, PathBuf};

use crate::exit_codes::ExitCode;
use crate::failure::Failure;
use crate::list::{self, Pipe};

/// No pipe has the name.
#[derive(Debug, thiserror::Error)]
#[error("the server at {} has no pipe '{word}': {there}", socket.display())]
pub struct NoSuchPipe {
    /// What was given.
    pub word: String,
    /// The server.
    pub socket: PathBuf,
    /// What there is.
    pub there: String,
}

impl From<NoSuchPipe> for Failure {
    fn from(error: NoSuchPipe) -> Self {
        Self::new(error, ExitCode::BadDevice)
    }
}

/// How a pipe was named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// By its own number.
    Number,
    /// By the pusher's node.
    Input,
    /// By the clients' node.
    Output,
}

/// The pipe that `word` names at the server of `socket`: a pipe's number, or one of its nodes as
/// `/dev/videoN` or `videoN`.
///
/// # Errors
/// [`Failure`] where no server answers, or where it has no such pipe.
pub fn find(socket: &Path, word: &str) -> Result<(Pipe, By), Failure> {
    let pipes = list::pipes(socket)?;
    let found = by_name(&pipes, word);
    found.map(|(pipe, by)| (pipe.clone(), by)).ok_or_else(|| {
        let known: Vec<String> =
            pipes.iter().map(|pipe| format!("{} ({}, {})", pipe.index, pipe.input, pipe.output)).collect();
        let there = match known.as_slice() {
            [] => "it has none".to_owned(),
            [only] => format!("there is {only}"),
            several => format!("there are {}", several.join(", ")),
        };
        NoSuchPipe { word: word.to_owned(), socket: socket.to_owned(), there }.into()
    })
}

fn by_name<'a>(pipes: &'a [Pipe], word: &str) -> Option<(&'a Pipe, By)> {
    if !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit()) {
        let number: u32 = word.parse().ok()?;
        return pipes.iter().find(|pipe| pipe.index == number).map(|pipe| (pipe, By::Number));
    }
    // As programs of V4L1's time name nodes, too.
    let name = word.strip_prefix("/dev/").map_or(word, |name| name.strip_prefix("v4l/").unwrap_or(name));
    let digits = name.strip_prefix("video").filter(|digits| !digits.is_empty())?;
    let path = format!("/dev/video{digits}");
    pipes.iter().find_map(|pipe| match () {
        () if pipe.input == path => Some((pipe, By::Input)),
        () if pipe.output == path => Some((pipe, By::Output)),
        () => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_pipes_and_names_are_nodes() {
        let pipe = |index: u32| Pipe {
            index,
            input: format!("/dev/video{}", 2 * index + 4),
            output: format!("/dev/video{}", 2 * index + 5),
            ..Pipe::default()
        };
        let pipes = [pipe(0), pipe(1)];
        let find = |word| by_name(&pipes, word).map(|(pipe, by)| (pipe.index, by));
        assert_eq!(find("1"), Some((1, By::Number)));
        assert_eq!(find("/dev/video4"), Some((0, By::Input)));
        assert_eq!(find("video7"), Some((1, By::Output)));
        assert_eq!(find("/dev/v4l/video6"), Some((1, By::Input)));
        for word in ["", "2", "video", "/dev/video8", "video-1", "+1", "99999999999", "/dev/4", "v4l/video4"]
        {
            assert_eq!(find(word), None, "{word}");
        }
    }
}

//! Formats, sizes and rates as v4l2loopback-ctl writes them.

use vloopback_abi::v4l2::PixelFormat as KnownFormat;
use vloopback_abi::v4l2::fourcc::Fourcc;

/// What `set-caps` sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// The pixel format.
    pub format: Fourcc,
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Frames, in so many seconds.
    pub rate: Option<(u32, u32)>,
}

/// What `set-caps` is given; None: `any`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CapsWord(pub Option<Caps>);

/// [`caps`], for the command line.
///
/// # Errors
/// As [`caps`].
pub fn caps_word(word: &str) -> Result<CapsWord, String> {
    caps(word).map(CapsWord)
}

/// `FOURCC:WxH[@fps[/den]]`, or `any`, which is None.
///
/// # Errors
/// What is wrong with it.
pub fn caps(word: &str) -> Result<Option<Caps>, String> {
    if word == "any" {
        return Ok(None);
    }
    let form = || "what is set is FOURCC:WIDTHxHEIGHT[@FPS], such as YUYV:640x480@30, or 'any'".to_owned();
    let (format, rest) = word.rsplit_once(':').ok_or_else(form)?;
    let (size, rate) = rest.split_once('@').map_or((rest, None), |(size, rate)| (size, Some(rate)));
    let (width, height) = size.split_once('x').ok_or_else(form)?;
    let side = |side: &str| side.parse::<u32>().map_err(|_| form());
    Ok(Some(Caps {
        format: format_named(format)?,
        width: side(width)?,
        height: side(height)?,
        rate: rate.map(fps).transpose()?,
    }))
}

/// The format of a code, or of the kernel's name of it.
fn format_named(word: &str) -> Result<Fourcc, String> {
    let code = |format: &&KnownFormat| format.fourcc.to_string().trim_end() == word.trim_end();
    let name = |format: &&KnownFormat| {
        format.name.trim_start_matches("V4L2_PIX_FMT_").eq_ignore_ascii_case(word.trim_end())
    };
    let found = KnownFormat::ALL.iter().find(code).or_else(|| KnownFormat::ALL.iter().find(name));
    found.map(|format| format.fourcc).ok_or_else(|| {
        let codes: Vec<String> =
            KnownFormat::ALL.iter().map(|format| format.fourcc.to_string().trim_end().to_owned()).collect();
        format!("'{word}' is no format that a pipe can have; there are {}", codes.join(" "))
    })
}

/// Frames a second: `30`, or `30000/1001`.
///
/// # Errors
/// What is wrong with it.
pub fn fps(word: &str) -> Result<(u32, u32), String> {
    let (frames, seconds) = word.split_once('/').unwrap_or((word, "1"));
    let part = |part: &str| part.parse::<u32>().ok().filter(|part| *part != 0);
    let rate = part(frames).zip(part(seconds));
    rate.ok_or_else(|| "a rate is frames a second, more than 0, such as 30 or 30000/1001".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use vloopback_abi::v4l2::fourcc;

    #[test]
    fn caps_as_the_other_program_has_them() {
        let told = |word: &str| caps(word).unwrap();
        assert_eq!(told("any"), None);
        let size = Caps { format: fourcc::YUYV, width: 640, height: 480, rate: None };
        assert_eq!(told("YUYV:640x480"), Some(size));
        assert_eq!(told("YUYV:640x480@25"), Some(Caps { rate: Some((25, 1)), ..size }));
        assert_eq!(told("YUYV:640x480@30000/1001"), Some(Caps { rate: Some((30_000, 1001)), ..size }));
        for bad in [
            "",
            "YUYV",
            "YUYV:640",
            "YUYV:640x",
            "YUYV:-1x4",
            "NONE:640x480",
            "YUYV:640x480@0",
            "YUYV:6x4@1/0",
        ] {
            assert!(caps(bad).is_err(), "{bad}");
        }
    }
}

//! Words of the command line that stand for values of several options.

use std::num::ParseIntError;
use std::str::FromStr;

use vloopback_abi::v4l2::{Fourcc, PixelFormat};

/// The most frames a second.
const MOST: u64 = 1_000;

/// Frames a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// So many frames,
    pub frames: u32,
    /// in so many seconds.
    pub seconds: u32,
}

impl FromStr for Rate {
    type Err = String;

    /// `30`, `12.5` or `30000/1001`.
    fn from_str(text: &str) -> Result<Rate, String> {
        let told =
            || format!("a rate is a number of frames a second up to {MOST}, such as 30, 12.5 or 30000/1001");
        let parse = || -> Result<Rate, ParseIntError> {
            if let Some((frames, seconds)) = text.split_once('/') {
                return Ok(Rate { frames: frames.parse()?, seconds: seconds.parse()? });
            }
            let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
            // Three decimals are more than any rate needs.
            let part: String = part.chars().chain("000".chars()).take(3).collect();
            let thousandths = whole.parse::<u32>()?.saturating_mul(1000).saturating_add(part.parse()?);
            Ok(if thousandths % 1000 == 0 {
                Rate { frames: thousandths / 1000, seconds: 1 }
            } else {
                Rate { frames: thousandths, seconds: 1000 }
            })
        };
        let rate = parse().map_err(|_| told())?;
        let fits = rate.frames > 0
            && rate.seconds > 0
            && u64::from(rate.frames) <= MOST * u64::from(rate.seconds)
            && u64::from(rate.seconds) <= MOST * u64::from(rate.frames);
        if fits { Ok(rate) } else { Err(told()) }
    }
}

impl std::fmt::Display for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let exact = f64::from(self.frames) / f64::from(self.seconds);
        let rounded = (exact * 100.0).round() / 100.0;
        write!(f, "{rounded}")
    }
}

/// The format that a word names: its four characters (spaces at the end may be left out), or the name
/// that the kernel gives it without `V4L2_PIX_FMT_`.
///
/// # Errors
/// Which formats there are.
pub fn format_named(word: &str) -> Result<Fourcc, String> {
    let known = || PixelFormat::ALL.iter().filter(|format| vloopback_picture::is_known(format.fourcc));
    let name = |format: &PixelFormat| format.name.trim_start_matches("V4L2_PIX_FMT_");
    let by_code = |format: &&PixelFormat| format.fourcc.to_string().trim_end() == word;
    let by_name = |format: &&PixelFormat| name(format).eq_ignore_ascii_case(word);
    // Codes first: RGB3 is one, and no name.
    let found = known().find(by_code).or_else(|| known().find(by_name));
    found.map(|format| format.fourcc).ok_or_else(|| {
        let all: Vec<String> = known().map(|format| name(format).to_owned()).collect();
        format!("unknown format; the formats are {}", all.join(" "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use vloopback_abi::v4l2::fourcc;

    #[test]
    fn rates_as_people_write_them() {
        let of = |text: &str| text.parse::<Rate>().map(|rate| (rate.frames, rate.seconds));
        assert_eq!(of("30"), Ok((30, 1)));
        assert_eq!(of("12.5"), Ok((12_500, 1000)));
        assert_eq!(of("0.25"), Ok((250, 1000)));
        assert_eq!(of("30000/1001"), Ok((30_000, 1001)));
        for bad in ["", "0", "-1", "x", "30/0", "0/1", "1001", "1/1001", "1.x", "5000000000", "4294967296/1"]
        {
            assert!(of(bad).is_err(), "{bad}");
        }
        assert_eq!("30000/1001".parse::<Rate>().unwrap().to_string(), "29.97");
        assert_eq!("25".parse::<Rate>().unwrap().to_string(), "25");
    }

    #[test]
    fn formats_by_code_and_by_name() {
        for (word, format) in [
            ("YUYV", fourcc::YUYV),
            ("yuyv", fourcc::YUYV),
            ("RGB3", fourcc::RGB24),
            ("rgb24", fourcc::RGB24),
            ("Y10", fourcc::Y10),
            ("YU12", fourcc::YUV420),
            ("MJPG", fourcc::MJPEG),
            ("XRGB555X", fourcc::XRGB555X),
        ] {
            assert_eq!(format_named(word), Ok(format), "{word}");
        }
        // One that pipes carry but that cannot be made here, and one that does not exist.
        for word in ["H264", "none", ""] {
            assert!(format_named(word).unwrap_err().contains("NV12"), "{word}");
        }
    }
}

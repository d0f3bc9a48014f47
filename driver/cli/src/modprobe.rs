//! What v4l2loopback is loaded with, as modprobe.d and the command line of modprobe have it, for a server's pipes.

use std::path::Path;

use vloopback_abi::v4l2::pixel::SIZES;
use vloopback_daemon::{Config, PipeConfig, ServerError};

/// The parameters of v4l2loopback.
const PARAMETERS: [&str; 9] = [
    "devices",
    "video_nr",
    "card_label",
    "exclusive_caps",
    "max_buffers",
    "max_openers",
    "max_width",
    "max_height",
    "debug",
];
/// The most buffers that there can be.
const MOST_BUFFERS: i64 = 32;
/// The highest number of a node.
const LAST_NODE: i64 = 255;

/// Sets in a configuration what `given` says: a file of modprobe.d, or the words themselves, `options v4l2loopback
/// devices=2 …`.
///
/// # Errors
/// [`ServerError::Option`] that names the word.
pub fn merge(config: &mut Config, given: &str) -> Result<(), ServerError> {
    let bad = |reason: String| ServerError::Option(format!("--modprobe: {reason}"));
    let text = if is_text(given) {
        given.to_owned()
    } else {
        std::fs::read_to_string(given).map_err(|e| bad(format!("{given}: {e}")))?
    };
    let words = options(&text, is_text(given)).map_err(bad)?;
    apply(config, &words).map_err(bad)
}

/// Whether the words themselves are given, and no file.
pub fn is_text(given: &str) -> bool {
    !Path::new(given).exists() && (given.contains('=') || given.split_whitespace().count() > 1)
}

/// All `name=value` of v4l2loopback. `bare`: also those before which no module is named.
fn options(text: &str, bare: bool) -> Result<Vec<(String, String)>, String> {
    let mut found = Vec::new();
    // A line goes on behind a backslash.
    for line in text.replace("\\\n", " ").lines() {
        let mut words = words(line)?;
        words.reverse();
        let first = words.last().map_or("", String::as_str);
        if first.is_empty() || first.starts_with('#') {
            continue;
        }
        let is_options = first == "options";
        if is_options {
            words.pop();
        } else if !bare {
            // install, alias, blacklist: nothing of a module's parameters.
            continue;
        }
        let module = words.last().map_or("", String::as_str);
        if module == "v4l2loopback" {
            words.pop();
        } else if is_options || !module.contains('=') {
            if bare {
                return Err(format!("'{module}' is not v4l2loopback"));
            }
            continue;
        }
        for word in words.iter().rev() {
            let (name, value) = word.split_once('=').unwrap_or((word, ""));
            let name = name.replace('-', "_");
            if !PARAMETERS.contains(&name.as_str()) {
                return Err(format!(
                    "'{word}' is no parameter of v4l2loopback; there are {}",
                    PARAMETERS.join(", ")
                ));
            }
            found.push((name, value.to_owned()));
        }
    }
    Ok(found)
}

/// The words of a line; blanks in quotes are none.
fn words(line: &str) -> Result<Vec<String>, String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), String::new(), false);
    for sign in line.chars() {
        quoted ^= sign == '"';
        if sign.is_whitespace() && !quoted {
            words.push(std::mem::take(&mut word));
        } else {
            word.push(sign);
        }
    }
    if quoted {
        return Err(format!("a quote has no end in: {line}"));
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    Ok(words)
}

/// The values of a list; commas in quotes are none, and the quotes go.
fn values(list: &str) -> Vec<String> {
    let (mut values, mut value, mut quoted) = (Vec::new(), String::new(), false);
    for sign in list.chars() {
        match sign {
            '"' => quoted = !quoted,
            ',' if !quoted => values.push(std::mem::take(&mut value)),
            sign => value.push(sign),
        }
    }
    values.push(value);
    values
}

fn number(name: &str, value: &str, low: i64, high: i64) -> Result<i64, String> {
    let number = value.parse::<i64>().ok().filter(|number| (low..=high).contains(number));
    number.ok_or_else(|| format!("{name} is '{value}', but must be a number from {low} to {high}"))
}

fn apply(config: &mut Config, words: &[(String, String)]) -> Result<(), String> {
    let mut devices = None;
    let mut named = 0;
    for (name, value) in words {
        let one = values(value).into_iter().next().unwrap_or_default();
        let (_, largest) = SIZES;
        match name.as_str() {
            "devices" => devices = Some(number(name, &one, 1, 64)?),
            "video_nr" => {
                for (k, value) in values(value).iter().enumerate() {
                    let input = u32::try_from(number(name, value, -1, LAST_NODE)?).ok();
                    pipe(config, k).input = input;
                    named = if input.is_some() { k + 1 } else { named };
                }
            }
            "card_label" => {
                for (k, value) in values(value).into_iter().enumerate() {
                    pipe(config, k).label = value;
                }
            }
            // Each node of a pipe shows one capability in any case.
            "exclusive_caps" => {
                for value in values(value) {
                    if !["0", "1", "Y", "N", "y", "n", ""].contains(&value.as_str()) {
                        return Err(format!("{name} is '{value}', but must be 0 or 1, or a list of these"));
                    }
                }
            }
            // There the number is cut to what can be, too.
            "max_buffers" => {
                let most = number(name, &one, 0, i64::from(i32::MAX))?.min(MOST_BUFFERS);
                config.max_buffers = most as u32;
            }
            "max_openers" => config.max_openers = number(name, &one, 0, i64::from(i32::MAX))? as u32,
            "max_width" => config.sizes[1] = number(name, &one, SIZES.0.into(), largest.into())? as u32,
            "max_height" => config.sizes[3] = number(name, &one, SIZES.0.into(), largest.into())? as u32,
            _ => {}
        }
    }
    // As there: without a number of devices as many as have a number.
    config.pipes = devices.map_or(named.max(1) as u32, |devices| devices as u32);
    Ok(())
}

fn pipe(config: &mut Config, index: usize) -> &mut PipeConfig {
    if config.pipe.len() <= index {
        config.pipe.resize_with(index + 1, PipeConfig::default);
    }
    &mut config.pipe[index]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(given: &str) -> Result<Config, String> {
        let mut config = Config::default();
        merge(&mut config, given).map(|()| config).map_err(|e| e.to_string())
    }

    #[test]
    fn what_modprobe_is_told() {
        let config =
            of("options v4l2loopback devices=2 video_nr=3,4 card_label=\"a b\",\"c,d\" exclusive_caps=1")
                .unwrap();
        assert_eq!(config.pipes, 2);
        let pipes: Vec<(Option<u32>, &str)> =
            config.pipe.iter().map(|pipe| (pipe.input, pipe.label.as_str())).collect();
        assert_eq!(pipes, [(Some(3), "a b"), (Some(4), "c,d")]);
        // As behind modprobe, and with a module's name alone.
        for given in ["devices=3", "v4l2loopback devices=3", "v4l2loopback video_nr=-1,7,9"] {
            assert_eq!(of(given).unwrap().pipes, 3, "{given}");
        }
        let config =
            of("max_buffers=99 max_openers=5 max_width=640 max_height=480 debug=1 exclusive_caps=1,0")
                .unwrap();
        assert_eq!((config.pipes, config.max_buffers, config.max_openers), (1, 32, 5));
        assert_eq!((config.sizes[1], config.sizes[3]), (640, 480));
    }

    #[test]
    fn a_file_of_modprobe_d() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = "# a camera\nblacklist foo\noptions snd-aloop index=1\noptions v4l2loopback devices=2 \\\n  video_nr=8\n";
        std::fs::write(file.path(), text).unwrap();
        let config = of(file.path().to_str().unwrap()).unwrap();
        assert_eq!((config.pipes, config.pipe[0].input), (2, Some(8)));
    }

    #[test]
    fn what_cannot_be_is_named() {
        for (given, says) in [
            ("options v4l2loopback device=2", "'device=2' is no parameter"),
            ("options v4l2loopback devices=0", "devices is '0'"),
            ("video_nr=256", "video_nr is '256'"),
            ("video_nr=x", "video_nr is 'x'"),
            ("exclusive_caps=2", "exclusive_caps is '2'"),
            ("max_width=9000", "max_width is '9000'"),
            ("card_label=\"a", "no end"),
            ("options snd-aloop index=1", "'snd-aloop' is not v4l2loopback"),
            ("/nonesuch", "/nonesuch: No such file"),
        ] {
            let told = of(given).expect_err(given);
            assert!(told.contains(says), "{given}: {told}");
        }
    }
}

//! An agent of the conformance suite (`vloopback_tests::conformance` has the protocol) that reaches pipes by the
//! SDK's pusher and the runtime's own watcher, without the preload library. The watcher tells no sequence numbers
//! and has no descriptor to poll: what needs those it answers with ENOSYS.

use std::fmt::Write as _;
use std::io::{BufRead, Write};
use std::path::Path;
use std::time::Duration;

use vloopback_runtime::native::use_server;
use vloopback_runtime::watch::{Output, open_output};
use vloopback_sdk::zero_copy::Errno;
use vloopback_sdk::{Finder, Fourcc, Pusher};

/// What was opened.
enum Node {
    Input(Box<Pusher>),
    Output(Output),
}

/// Longer than any rule's patience.
const FOR_EVER: Duration = Duration::from_secs(3600);

fn main() {
    let socket = std::env::args_os().nth(1).expect("the server's socket");
    let finder = Finder::at(&socket);
    use_server(Path::new(&socket)).expect("this process has no other server");
    println!("{{\"event\":\"start\",\"pid\":{}}}", std::process::id());
    let mut node = None;
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("a line");
        let answer =
            obey(&finder, &mut node, &line).unwrap_or_else(|errno| format!("\"errno\":{}", errno.raw()));
        println!("{{\"event\":\"done\",{answer}}}");
        std::io::stdout().flush().expect("somebody reads");
    }
}

/// What an order gives, as the members of a JSON object.
fn obey(finder: &Finder, node: &mut Option<Node>, line: &str) -> Result<String, Errno> {
    let done = || "\"errno\":0".to_owned();
    let mut words = line.split(' ');
    match (words.next().unwrap_or_default(), &mut *node) {
        ("open", _) => {
            let path = words.next().unwrap_or_default();
            let number = path.trim_start_matches("/dev/video").parse().map_err(|_| Errno::EINVAL)?;
            *node = Some(match open_output(number) {
                Ok(output) => Node::Output(output),
                // The other node.
                Err(errno) if errno == Errno::ENOTTY => {
                    let pusher = Pusher::open_at(finder, path).map_err(|error| error.errno())?;
                    Node::Input(Box::new(pusher))
                }
                Err(errno) => return Err(errno),
            });
            Ok(done())
        }
        ("close", _) => {
            *node = None;
            Ok(done())
        }
        ("format", Some(Node::Input(pusher))) => {
            let name = words.next().unwrap_or_default().as_bytes();
            let code: [u8; 4] = name.try_into().map_err(|_| Errno::EINVAL)?;
            let sides = words.next().and_then(|size| size.split_once('x'));
            let (width, height) =
                sides.and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?))).ok_or(Errno::EINVAL)?;
            let set = pusher.set_format(Fourcc::new(&code), width, height);
            set.map_err(|error| error.errno())?;
            format_of(pusher)
        }
        ("get", Some(Node::Input(pusher))) => format_of(pusher),
        ("get", Some(Node::Output(output))) => {
            let pix = output.format();
            Ok(format_json(&pix.fourcc().to_string(), pix.width, pix.height, pix.sizeimage as usize))
        }
        ("write", Some(Node::Input(pusher))) => {
            let bytes = bytes_of(words.next().unwrap_or_default());
            pusher.write_frame(&bytes).map_err(|error| error.errno())?;
            Ok(done())
        }
        ("start", Some(Node::Output(output))) => match output.frame(Duration::ZERO)? {
            None => Ok(done()),
            Some(_) => Err(Errno::EPROTO),
        },
        ("take", Some(Node::Output(output))) => {
            let patience = if words.next() == Some("wait") { FOR_EVER } else { Duration::ZERO };
            let (_, bytes) = output.frame(patience)?.ok_or(Errno::EAGAIN)?;
            let mut hex = String::with_capacity(2 * bytes.len());
            for byte in bytes {
                let _ = write!(hex, "{byte:02x}");
            }
            Ok(format!("\"errno\":0,\"sequence\":-1,\"bytes\":\"{hex}\""))
        }
        _ => Err(Errno::ENOSYS),
    }
}

fn format_of(pusher: &Pusher) -> Result<String, Errno> {
    let (pixels, width, height) = pusher.format().ok_or(Errno::EINVAL)?;
    Ok(format_json(&pixels.to_string(), width, height, pusher.frame_len()))
}

fn format_json(name: &str, width: u32, height: u32, sizeimage: usize) -> String {
    format!(
        "\"errno\":0,\"format\":\"{name}\",\"width\":{width},\"height\":{height},\"sizeimage\":{sizeimage}"
    )
}

fn bytes_of(hex: &str) -> Vec<u8> {
    let digits = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    hex.as_bytes().chunks(2).map(|pair| digits(pair).expect("hexadecimal digits")).collect()
}

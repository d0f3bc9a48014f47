//! A small X server with Xv adaptors that have video inputs, as no server of today has. It knows what the bridge asks,
//! and nothing else.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use x11rb::protocol::Request;
use x11rb::protocol::composite::{self, Redirect};
use x11rb::protocol::shm::{self, GetImageReply, QueryVersionReply};
use x11rb::protocol::xproto::{
    self, Depth, GetInputFocusReply, ImageOrder, InternAtomReply, QueryExtensionReply, Screen, Setup,
    VisualClass, Visualtype,
};
use x11rb::protocol::xv::{
    self, AdaptorInfo, AttributeFlag, AttributeInfo, EncodingInfo, Format, GetPortAttributeReply,
    GrabPortReply, GrabPortStatus, QueryAdaptorsReply, QueryEncodingsReply, QueryPortAttributesReply,
    Rational, Type,
};
use x11rb::utils::RawFdContainer;
use x11rb::x11_utils::{BigRequests, ExtInfoProvider, ExtensionInformation, Serialize, parse_request_header};

const SHM: u8 = 130;
const XV: u8 = 131;
const COMPOSITE: u8 = 132;
/// The error of Xv's drivers for what they cannot draw into.
const BAD_ALLOC: u8 = 11;
const VISUAL: u32 = 0x21;
const ROOT: u32 = 0x100;
/// Two adaptors: one that gives single pictures, with two ports, and one that only runs video.
pub(crate) const STILLS: u32 = 70;
pub(crate) const RUNNING: u32 = 80;

/// What the adaptors draw into.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Draws {
    /// Pixmaps, and windows.
    #[default]
    Everywhere,
    /// Windows alone, as X.Org's own drivers do; and nobody has to see the window.
    Windows,
    /// They take windows, but mix the picture with the screen's on its way to the monitor.
    Beside,
    /// Neither.
    Nowhere,
}

/// A window, or what is left of it in its pixmap.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shown {
    parent: u32,
    left: i32,
    top: i32,
    size: (u16, u16),
    mapped: bool,
    redirected: bool,
}

/// What the server has been told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    /// Attributes of ports.
    pub(crate) attributes: HashMap<(u32, String), i32>,
    /// Ports that some other program has.
    pub(crate) busy: Vec<u32>,
    /// Bytes of each segment that was attached.
    pub(crate) segments: Vec<u64>,
    /// Segment (by its turn) and offset of each picture that was drawn.
    pub(crate) drawn: Vec<(usize, u32)>,
    /// Single pictures that were asked for, beginnings and ends of video.
    pub(crate) stills: u32,
    pub(crate) started: u32,
    pub(crate) stopped: u32,
    /// Ports that the bridge has.
    pub(crate) grabbed: Vec<u32>,
    /// The client's windows.
    pub(crate) windows: HashMap<u32, Shown>,
    /// Pictures that an adaptor would not draw, and those in windows that a person can see.
    pub(crate) refused: u32,
    pub(crate) seen: u32,
}

impl Told {
    pub(crate) fn attribute(&self, port: u32, name: &str) -> i32 {
        self.attributes.get(&(port, name.to_owned())).copied().unwrap_or(0)
    }

    /// Whether it is there for drawing: shown, and all that it lies in.
    fn viewable(&self, window: u32) -> bool {
        window == ROOT
            || self.windows.get(&window).is_some_and(|shown| shown.mapped && self.viewable(shown.parent))
    }

    /// Whether a person sees something of it on the screen.
    fn seen(&self, mut window: u32) -> bool {
        // The part of it that its parents leave, and where it is by then.
        let mut part: Option<[i32; 4]> = None;
        while let Some(shown) = self.windows.get(&window) {
            if shown.redirected || !shown.mapped {
                return false;
            }
            let own = [0, 0, shown.size.0.into(), shown.size.1.into()];
            let [left, top, right, bottom] = part.map_or(own, |part| cut(part, own));
            part = Some([left + shown.left, top + shown.top, right + shown.left, bottom + shown.top]);
            window = shown.parent;
        }
        let [left, top, right, bottom] = cut(part.unwrap_or_default(), [0, 0, 320, 240]);
        left < right && top < bottom
    }

    /// The picture that a port shows: blue, green and red tell its settings and the place.
    pub(crate) fn pixel(&self, port: u32, x: usize, y: usize) -> [u8; 3] {
        let of = |name| self.attribute(port, name);
        let red = x as i32 + of("XV_BRIGHTNESS") + of("XV_HUE") * 3;
        let green = y as i32 + of("XV_CONTRAST") + of("XV_SATURATION") * 5;
        let blue = of("XV_ENCODING") * 40 + of("XV_FREQ") + (x as i32 ^ y as i32);
        [red, green, blue].map(|colour| colour.rem_euclid(256) as u8)
    }
}

fn cut(one: [i32; 4], other: [i32; 4]) -> [i32; 4] {
    [one[0].max(other[0]), one[1].max(other[1]), one[2].min(other[2]), one[3].min(other[3])]
}

/// The attributes of every port: name and limits.
pub(crate) const ATTRIBUTES: &[(&str, i32, i32)] = &[
    ("XV_ENCODING", 0, 9),
    ("XV_BRIGHTNESS", -1000, 1000),
    ("XV_CONTRAST", 0, 255),
    ("XV_HUE", -128, 127),
    ("XV_SATURATION", 0, 1000),
    ("XV_FREQ", 700, 13_000),
    ("XV_COLORKEY", 0, 0xff_ffff),
];

struct Extensions;

impl ExtInfoProvider for Extensions {
    fn get_from_major_opcode(&self, major_opcode: u8) -> Option<(&str, ExtensionInformation)> {
        let info = |first| ExtensionInformation { major_opcode, first_event: first, first_error: first + 60 };
        match major_opcode {
            SHM => Some((shm::X11_EXTENSION_NAME, info(70))),
            XV => Some((xv::X11_EXTENSION_NAME, info(80))),
            COMPOSITE => Some((composite::X11_EXTENSION_NAME, info(90))),
            _ => None,
        }
    }

    fn get_from_event_code(&self, _: u8) -> Option<(&str, ExtensionInformation)> {
        None
    }

    fn get_from_error_code(&self, _: u8) -> Option<(&str, ExtensionInformation)> {
        None
    }
}

/// The server's display, and what it has been told. Its socket goes with it.
pub(crate) struct Fake {
    pub(crate) display: String,
    pub(crate) told: Arc<Mutex<Told>>,
    path: PathBuf,
}

impl Drop for Fake {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Serves one client, from a thread of its own, on the first free display from 1000 on. With Composite: it keeps what
/// windows show.
pub(crate) fn serve(draws: Draws, composite: bool) -> Fake {
    let folder = Path::new("/tmp/.X11-unix");
    if fs::create_dir(folder).is_ok() {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o1777)).expect("chmod");
    }
    let sockets = (1000..2000).map(|number| (number, folder.join(format!("X{number}"))));
    let (number, path, listener) = sockets
        .into_iter()
        .find_map(|(number, path)| UnixListener::bind(&path).ok().map(|listener| (number, path, listener)))
        .expect("a free display");
    let told = Arc::new(Mutex::new(Told::default()));
    let ours = Arc::clone(&told);
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().expect("a client");
        let (fds, atoms, files) = (Vec::new(), Vec::new(), Vec::new());
        let (shown, names) = (HashMap::new(), HashMap::new());
        let background = [0; 3];
        Server { stream, told: ours, fds, atoms, files, shown, names, background, draws, composite }.run();
    });
    Fake { display: format!(":{number}"), told, path }
}

struct Server {
    stream: UnixStream,
    told: Arc<Mutex<Told>>,
    fds: Vec<RawFdContainer>,
    atoms: Vec<String>,
    files: Vec<(u32, File)>,
    /// Which port's picture lies in a pixmap or window.
    shown: HashMap<u32, u32>,
    /// The windows whose pictures these pixmaps are.
    names: HashMap<u32, u32>,
    /// What windows are where nothing has been drawn.
    background: [u8; 3],
    draws: Draws,
    composite: bool,
}

impl Server {
    /// All bytes of a message, and the descriptors that come with them; false at the client's end.
    fn receive(&mut self, bytes: &mut [u8]) -> bool {
        let mut have = 0;
        while have < bytes.len() {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let mut parts = [IoSliceMut::new(&mut bytes[have..])];
            let got = recvmsg(&self.stream, &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC)
                .map_or(0, |m| m.bytes);
            for message in control.drain() {
                if let RecvAncillaryMessage::ScmRights(fds) = message {
                    self.fds.extend(fds);
                }
            }
            if got == 0 {
                return false;
            }
            have += got;
        }
        true
    }

    fn greet(&mut self) {
        let mut head = [0; 12];
        self.stream.read_exact(&mut head).expect("a greeting");
        let len = |at: usize| usize::from(u16::from_le_bytes([head[at], head[at + 1]])).next_multiple_of(4);
        let mut authority = vec![0; len(6) + len(8)];
        self.stream.read_exact(&mut authority).expect("a greeting");
        let bytes = setup().serialize();
        self.stream.write_all(&bytes).expect("the client listens");
    }

    fn run(mut self) {
        self.greet();
        for sequence in 1u16.. {
            let mut message = vec![0; 4];
            if !self.receive(&mut message) {
                return;
            }
            let words = u16::from_le_bytes([message[2], message[3]]);
            message.resize(usize::from(words) * 4, 0);
            if !self.receive(&mut message[4..]) {
                return;
            }
            let (header, body) = parse_request_header(&message, BigRequests::NotEnabled).expect("a request");
            let mut fds = std::mem::take(&mut self.fds);
            let request =
                Request::parse(header, body, &mut fds, &Extensions).expect("a request that is whole");
            self.fds = fds;
            if let Some(mut reply) = self.answer(request) {
                reply.resize(reply.len().next_multiple_of(4).max(32), 0);
                reply[2..4].copy_from_slice(&sequence.to_le_bytes());
                let more = (reply.len() as u32 - 32) / 4;
                // In an error it is something else.
                if reply[0] == 1 {
                    reply[4..8].copy_from_slice(&more.to_le_bytes());
                }
                if self.stream.write_all(&reply).is_err() {
                    return;
                }
            }
        }
    }

    fn answer(&mut self, request: Request<'_>) -> Option<Vec<u8>> {
        let told = Arc::clone(&self.told);
        let mut told = told.lock().expect("no test panics with it");
        Some(match request {
            Request::QueryExtension(asked) => {
                let major_opcode = match &*asked.name {
                    b"MIT-SHM" => SHM,
                    b"XVideo" => XV,
                    b"Composite" if self.composite => COMPOSITE,
                    _ => 0,
                };
                let present = major_opcode != 0;
                let reply = QueryExtensionReply {
                    sequence: 0,
                    length: 0,
                    present,
                    major_opcode,
                    first_event: 70,
                    first_error: 130,
                };
                reply.serialize().to_vec()
            }
            Request::GetInputFocus(_) => {
                let (revert_to, focus) = (xproto::InputFocus::NONE, x11rb::NONE);
                GetInputFocusReply { revert_to, sequence: 0, length: 0, focus }.serialize().to_vec()
            }
            Request::InternAtom(asked) => {
                let name = String::from_utf8_lossy(&asked.name).into_owned();
                let at = self.atoms.iter().position(|atom| *atom == name).unwrap_or_else(|| {
                    self.atoms.push(name);
                    self.atoms.len() - 1
                });
                InternAtomReply { sequence: 0, length: 0, atom: at as u32 + 300 }.serialize().to_vec()
            }
            Request::ShmQueryVersion(_) => {
                let reply = QueryVersionReply {
                    shared_pixmaps: true,
                    sequence: 0,
                    length: 0,
                    major_version: 1,
                    minor_version: 2,
                    uid: 0,
                    gid: 0,
                    pixmap_format: 2,
                };
                reply.serialize().to_vec()
            }
            Request::ShmAttachFd(asked) => {
                let file = File::from(asked.shm_fd);
                told.segments.push(file.metadata().expect("a file").len());
                self.files.push((asked.shmseg, file));
                return None;
            }
            Request::ShmGetImage(asked) => self.draw(&mut told, &asked),
            Request::XvQueryAdaptors(_) => adaptors(),
            Request::XvQueryEncodings(asked) => encodings(asked.port),
            Request::XvQueryPortAttributes(_) => attributes(),
            Request::XvGrabPort(asked) => {
                let free = !told.busy.contains(&asked.port);
                if free {
                    told.grabbed.push(asked.port);
                }
                let result = if free { GrabPortStatus::SUCCESS } else { GrabPortStatus::ALREADY_GRABBED };
                GrabPortReply { result, sequence: 0, length: 0 }.serialize().to_vec()
            }
            Request::XvUngrabPort(asked) => {
                told.grabbed.retain(|port| *port != asked.port);
                return None;
            }
            Request::XvSetPortAttribute(asked) => {
                let name = self.atoms[asked.attribute as usize - 300].clone();
                told.attributes.insert((asked.port, name), asked.value);
                return None;
            }
            Request::XvGetPortAttribute(asked) => {
                let value = told.attribute(asked.port, &self.atoms[asked.attribute as usize - 300]);
                GetPortAttributeReply { sequence: 0, length: 0, value }.serialize().to_vec()
            }
            Request::XvPutStill(asked) => {
                assert_eq!((asked.drw_x, asked.drw_y), (0, 0));
                told.stills += 1;
                return self.put(&mut told, asked.drawable, asked.port, xv::PUT_STILL_REQUEST);
            }
            Request::XvPutVideo(asked) => {
                told.started += 1;
                return self.put(&mut told, asked.drawable, asked.port, xv::PUT_VIDEO_REQUEST);
            }
            Request::XvStopVideo(_) => {
                told.stopped += 1;
                return None;
            }
            Request::CompositeQueryVersion(_) => {
                let (major_version, minor_version) = (0, 4);
                composite::QueryVersionReply { sequence: 0, length: 0, major_version, minor_version }
                    .serialize()
                    .to_vec()
            }
            Request::CreateWindow(asked) => {
                assert_eq!(asked.value_list.override_redirect, Some(1), "a window manager would show it");
                let shown = Shown {
                    parent: asked.parent,
                    left: asked.x.into(),
                    top: asked.y.into(),
                    size: (asked.width, asked.height),
                    ..Shown::default()
                };
                let [_, red, green, blue] = asked.value_list.background_pixel.expect("one").to_be_bytes();
                self.background = [red, green, blue];
                told.windows.insert(asked.wid, shown);
                return None;
            }
            Request::MapWindow(asked) => {
                told.windows.get_mut(&asked.window).expect("a window").mapped = true;
                return None;
            }
            Request::DestroyWindow(asked) => {
                told.windows.retain(|window, shown| asked.window != *window && asked.window != shown.parent);
                return None;
            }
            Request::CompositeRedirectWindow(asked) => {
                assert_eq!(asked.update, Redirect::MANUAL, "else the server shows it");
                told.windows.get_mut(&asked.window).expect("a window").redirected = true;
                return None;
            }
            Request::CompositeNameWindowPixmap(asked) => {
                assert!(told.viewable(asked.window), "there is none of a window that is not shown");
                self.names.insert(asked.pixmap, asked.window);
                return None;
            }
            Request::GetImage(asked) => {
                let size = (asked.width, asked.height);
                let data = self.pixels(&told, asked.drawable, size);
                xproto::GetImageReply { depth: 24, sequence: 0, visual: VISUAL, data }.serialize()
            }
            Request::ChangeWindowAttributes(_)
            | Request::CreateColormap(_)
            | Request::FreeColormap(_)
            | Request::CreatePixmap(_)
            | Request::FreePixmap(_)
            | Request::CreateGC(_)
            | Request::FreeGC(_) => return None,
            other => panic!("a request that this server does not know: {other:?}"),
        })
    }

    /// An adaptor's picture, as far as it draws there; or the error of that request.
    fn put(&mut self, told: &mut Told, to: u32, port: u32, request: u8) -> Option<Vec<u8>> {
        let window = told.windows.contains_key(&to);
        let refuses = match self.draws {
            Draws::Everywhere => false,
            Draws::Windows | Draws::Beside => !window,
            Draws::Nowhere => true,
        };
        if refuses {
            told.refused += 1;
            let mut error = vec![0; 32];
            error[1] = BAD_ALLOC;
            (error[8], error[10]) = (request, XV);
            return Some(error);
        }
        told.seen += u32::from(told.seen(to));
        // Nothing is drawn where a window is not shown.
        if self.draws != Draws::Beside && (!window || told.viewable(to)) {
            self.shown.insert(to, port);
        }
        None
    }

    /// A picture of a pixmap or window: what its port shows now. The screen is black.
    fn pixels(&self, told: &Told, of: u32, (width, height): (u16, u16)) -> Vec<u8> {
        let window = self.names.get(&of);
        let port = self.shown.get(window.unwrap_or(&of)).copied();
        // A window's background.
        let empty = if window.is_some() { self.background } else { [0; 3] };
        let pixels = (0..usize::from(height)).flat_map(|y| (0..usize::from(width)).map(move |x| (x, y)));
        pixels
            .flat_map(|(x, y)| {
                let [red, green, blue] = port.map_or(empty, |port| told.pixel(port, x, y));
                [blue, green, red, 0]
            })
            .collect()
    }

    /// Such a picture, into a segment.
    fn draw(&mut self, told: &mut Told, asked: &shm::GetImageRequest) -> Vec<u8> {
        let bytes = self.pixels(told, asked.drawable, (asked.width, asked.height));
        let segment = self.files.iter().position(|(segment, _)| *segment == asked.shmseg).expect("a segment");
        self.files[segment].1.write_all_at(&bytes, asked.offset.into()).expect("room");
        told.drawn.push((segment, asked.offset));
        let size = bytes.len() as u32;
        GetImageReply { depth: 24, sequence: 0, length: 0, visual: VISUAL, size }.serialize().to_vec()
    }
}

fn adaptors() -> Vec<u8> {
    let adaptor = |base_id, num_ports, kinds: &[Type], name: &str| AdaptorInfo {
        base_id,
        num_ports,
        type_: Type::from(kinds.iter().fold(0, |all, kind| all | u8::from(*kind))),
        name: name.into(),
        formats: vec![Format { visual: 0x99, depth: 8 }, Format { visual: VISUAL, depth: 24 }],
    };
    let info = vec![
        // Shows programs' pictures: none of ours.
        adaptor(60, 16, &[Type::INPUT_MASK, Type::IMAGE_MASK], "Overlay"),
        adaptor(STILLS, 2, &[Type::INPUT_MASK, Type::VIDEO_MASK, Type::STILL_MASK], "Television card"),
        // Gives the screen's picture away: it has no input.
        adaptor(75, 1, &[Type::OUTPUT_MASK, Type::VIDEO_MASK], "Television set"),
        adaptor(RUNNING, 1, &[Type::INPUT_MASK, Type::VIDEO_MASK], "Camera"),
    ];
    QueryAdaptorsReply { sequence: 0, length: 0, info }.serialize()
}

fn encodings(port: u32) -> Vec<u8> {
    let encoding = |encoding, name: &str, width, height| EncodingInfo {
        encoding,
        width,
        height,
        rate: Rational { numerator: 1, denominator: 50 },
        name: name.into(),
    };
    let info = match port {
        STILLS => vec![
            encoding(1, "pal-television", 384, 288),
            encoding(2, "pal-composite0", 384, 288),
            encoding(3, "ntsc-svideo0", 320, 240),
            encoding(9, "XV_IMAGE", 2048, 2048),
        ],
        RUNNING => vec![encoding(4, "camera", 160, 120)],
        port => panic!("nobody asks for the encodings of port {port}"),
    };
    QueryEncodingsReply { sequence: 0, length: 0, info }.serialize()
}

fn attributes() -> Vec<u8> {
    let attribute = |&(name, min, max): &(&str, i32, i32)| AttributeInfo {
        flags: AttributeFlag::GETTABLE | AttributeFlag::SETTABLE,
        min,
        max,
        // As servers do: with a 0 at the end, in whole words.
        name: format!("{name}\0").into_bytes(),
    };
    let attributes: Vec<AttributeInfo> = ATTRIBUTES.iter().map(attribute).collect();
    let text_size = attributes.iter().map(|attribute| attribute.name.len().next_multiple_of(4) as u32).sum();
    QueryPortAttributesReply { sequence: 0, length: 0, text_size, attributes }.serialize()
}

/// One black screen of 320x240.
fn setup() -> Setup {
    let visual = Visualtype {
        visual_id: VISUAL,
        class: VisualClass::TRUE_COLOR,
        bits_per_rgb_value: 8,
        colormap_entries: 256,
        red_mask: 0xff_0000,
        green_mask: 0xff00,
        blue_mask: 0xff,
    };
    let screen = Screen {
        root: ROOT,
        width_in_pixels: 320,
        height_in_pixels: 240,
        root_visual: VISUAL,
        root_depth: 24,
        allowed_depths: vec![Depth { depth: 24, visuals: vec![visual] }],
        ..Screen::default()
    };
    let mut setup = Setup {
        status: 1,
        protocol_major_version: 11,
        resource_id_base: 0x40_0000,
        resource_id_mask: 0x1f_ffff,
        maximum_request_length: u16::MAX,
        image_byte_order: ImageOrder::LSB_FIRST,
        bitmap_format_scanline_unit: 32,
        bitmap_format_scanline_pad: 32,
        min_keycode: 8,
        max_keycode: 255,
        pixmap_formats: vec![xproto::Format { depth: 24, bits_per_pixel: 32, scanline_pad: 32 }],
        roots: vec![screen],
        ..Setup::default()
    };
    let bytes = setup.serialize().len();
    setup.length = ((bytes - 8) / 4) as u16;
    setup
}

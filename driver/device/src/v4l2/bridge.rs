//! V4L2 clients of a zero-copy pusher, which speaks V4L1: what they ask is asked of it in its own terms.
//! S_FMT is VIDIOCSWIN and VIDIOCSPICT, S_INPUT is VIDIOCSCHAN, S_FREQUENCY is VIDIOCSFREQ, the controls are
//! the sliders of VIDIOCSPICT. (How they get frames: `zero::capture`.)

use core::sync::atomic::Ordering;

use vloopback_abi::palette::Palette;
use vloopback_abi::v4l1::{
    VID_TYPE_TUNER, VIDEO_TUNER_LOW, VIDEO_TUNER_NORM, VIDEO_TUNER_STEREO_ON, VIDEO_TYPE_TV, VideoCapability,
    VideoChannel, VideoPicture, VideoTuner, VideoWindow, request,
};
use vloopback_abi::v4l2::pixel::{nearest, same_frames};
use vloopback_abi::v4l2::request as v4l2_request;
use vloopback_abi::v4l2::{
    Fourcc, PixelFormat, V4L2_BUF_TYPE_VIDEO_CAPTURE, V4L2_INPUT_TYPE_CAMERA, V4L2_INPUT_TYPE_TUNER,
    V4L2_TUNER_ANALOG_TV, V4L2_TUNER_CAP_LOW, V4L2_TUNER_CAP_NORM, V4L2_TUNER_CAP_STEREO,
    V4L2_TUNER_MODE_MONO, V4L2_TUNER_MODE_STEREO, V4L2_TUNER_SUB_MONO, V4L2_TUNER_SUB_STEREO, V4l2Format,
    V4l2Frequency, V4l2Input, V4l2PixFormat, V4l2Tuner,
};
use vloopback_ioctl::V4l2Request;
use vloopback_ring::pusher_page::PusherCaps;
use vloopback_wire::Request;
use zerocopy::{FromZeros, IntoBytes};

use crate::caller::Call;
use crate::stream::{BY_READ, Wait};
use crate::v4l2::format::{frozen, to_v4l2, to_wire};
use crate::zero::memory::{Inside, enter, is_zero, join};
use crate::zero::turn::Turn;
use crate::zero::want;
use vloopback_link::connection;
use vloopback_sys as sys;
use vloopback_sys::{Errno, Result};

/// Whether an error is the pusher's answer, and not that there was none.
fn is_answer(errno: Errno) -> bool {
    matches!(errno, Errno::EINVAL | Errno::ENOTTY)
}

/// The pusher's answer; None: it refuses.
fn refusable<T>(answer: Result<T>) -> Result<Option<T>> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(e) if is_answer(e) => Ok(None),
        Err(e) => Err(e),
    }
}

/// Asks once, with a turn of its own.
pub(super) fn ask_once<T: IntoBytes + zerocopy::FromBytes>(
    call: &Call,
    number: u32,
    mut value: T,
) -> Result<T> {
    Turn::take(call)?.exchange(number, &mut value)?;
    Ok(value)
}

// ---------------------------------------------------------------------------------------- the format

/// What V4L2 calls a window and a picture together, if it has a name for them.
fn pix_of(window: &VideoWindow, picture: &VideoPicture) -> Option<V4l2PixFormat> {
    let palette = Palette::from_number(picture.palette.into())?;
    // V4L1 does not say how a frame lies of which something would be rounded up.
    palette.frame_len(window.width, window.height)?;
    PixelFormat::of(palette.fourcc()?)?.pix(window.width, window.height)
}

/// The pusher's format. None: it does not say, or V4L2 has no name for it.
pub(super) fn format(turn: &Turn) -> Result<Option<V4l2PixFormat>> {
    if turn.inside.pusher_page.takes_v4l2() {
        let mut told = V4l2Format { type_: V4L2_BUF_TYPE_VIDEO_CAPTURE, ..V4l2Format::new_zeroed() };
        if refusable(turn.exchange(v4l2_request::G_FMT, &mut told))?.is_some() {
            return Ok(Some(told.pix()));
        }
    }
    let (mut window, mut picture) = (VideoWindow::new_zeroed(), VideoPicture::new_zeroed());
    let answers = [
        refusable(turn.exchange(request::GWIN, &mut window))?,
        refusable(turn.exchange(request::GPICT, &mut picture))?,
    ];
    if answers.iter().any(Option::is_none) {
        return Ok(None);
    }
    Ok(pix_of(&window, &picture))
}

/// Asks the pusher to give pictures of this format.
fn set(turn: &Turn, wanted: &V4l2PixFormat) -> Result<()> {
    let Some(palette) = Palette::from_fourcc(wanted.fourcc()) else { return Ok(()) };
    let fits = palette.frame_len(wanted.width, wanted.height).is_some_and(|len| len <= turn.inside.len);
    if fits {
        let mut window = VideoWindow::new_zeroed();
        refusable(turn.exchange(request::GWIN, &mut window))?;
        (window.width, window.height) = (wanted.width, wanted.height);
        refusable(turn.exchange(request::SWIN, &mut window))?;
    }
    let mut picture = VideoPicture::new_zeroed();
    let told = refusable(turn.exchange(request::GPICT, &mut picture))?.is_some();
    if told && !Palette::same_layout(picture.palette.into(), palette.format()) {
        for palette in core::iter::once(palette).chain(other_number(palette)) {
            let mut wanted = VideoPicture { palette: palette.number(), depth: palette.depth(), ..picture };
            if refusable(turn.exchange(request::SPICT, &mut wanted))?.is_some() {
                break;
            }
        }
    }
    Ok(())
}

/// The pipe's V4L2 format is this one from now on.
///
/// # Errors
/// EBUSY: others stream another one. EINVAL: V4L1 has no name for it. ENODEV.
pub(super) fn agree(call: &Call, pix: &V4l2PixFormat) -> Result<()> {
    connection::tell(&Request::SetFormat { session: call.info().session, format: to_wire(pix) })
}

/// Whether other open files stream.
pub(super) fn others_stream(call: &Call) -> bool {
    let own = u32::from(call.page().streaming.load(Ordering::Relaxed) != 0);
    call.board().streamers.load(Ordering::SeqCst) > own
}

/// The board says what the pusher's format is. Not asked while anybody streams: the format is theirs then.
///
/// # Errors
/// EINTR, ENODEV. That there is no answer is none: the last format is as good as any.
pub fn learn(call: &Call) -> Result<()> {
    let fixed = call.page().count.load(Ordering::Relaxed) != 0;
    if !is_zero(call) || fixed {
        return Ok(());
    }
    match try_learn(call) {
        Err(e @ (Errno::EINTR | Errno::ENODEV)) => Err(e),
        _ => Ok(()),
    }
}

fn try_learn(call: &Call) -> Result<()> {
    join(call, 0)?;
    let Some(inside) = Inside::enter(call) else { return Ok(()) };
    if inside.pusher_page.has_format() && call.board().streamers.load(Ordering::SeqCst) != 0 {
        return Ok(());
    }
    let turn = Turn::take(call)?;
    let pix = format(&turn)?;
    drop(turn);
    let on_board = to_v4l2(&call.board().format().pix);
    let pix = pix.map_or(on_board, |pix| nearest(&pix));
    if !inside.pusher_page.has_format() || !same_frames(&pix, &on_board) {
        agree(call, &pix)?;
    }
    Ok(())
}

/// S_FMT on the output of a zero-copy pipe: the pusher is asked for it, and what it gives then is the
/// format. While others stream it is theirs.
///
/// # Errors
/// EIO, ETIMEDOUT: the pusher does not answer. EINTR, ENODEV.
pub(super) fn set_format(call: &Call, asked: &V4l2PixFormat) -> Result<()> {
    join(call, 0)?;
    if others_stream(call) {
        return Ok(());
    }
    let wanted = resolve(call, asked, true);
    let turn = Turn::take(call)?;
    set(&turn, &wanted)?;
    let pix = format(&turn)?;
    drop(turn);
    match agree(call, &nearest(&pix.unwrap_or(wanted))) {
        // They came meanwhile.
        Err(Errno::EBUSY) => Ok(()),
        other => other,
    }
}

/// V4L1's other number of the same pixels: YUYV has two, of which a pusher may know one.
fn other_number(palette: Palette) -> Option<Palette> {
    match palette {
        Palette::Yuv422 => Some(Palette::Yuyv),
        Palette::Yuyv => Some(Palette::Yuv422),
        _ => None,
    }
}

/// Whether the pusher was seen to have a palette, under either of its numbers.
pub(super) fn has_palette(call: &Call, palette: Palette) -> bool {
    let Ok(inside) = enter(call) else { return false };
    let numbers = core::iter::once(palette).chain(other_number(palette));
    numbers.map(Palette::format).any(|number| inside.pusher_page.has_palette(number) == Some(true))
}

/// How long a pusher is asked which palettes it has, nanoseconds, each time that a program has opened the device.
/// Most answer at once; one that sets up a real camera each time is not kept busy for longer.
const ASK_PALETTES_FOR: u64 = 300_000_000;

/// Finds out which palettes the pusher has, of those that nobody has tried yet: as V4L1's programs did, by asking for
/// each and looking what it has then. It is given back the one that it had. Not beside other clients, which
/// would see their picture change, and only once for each open file.
///
/// # Errors
/// EINTR, ENODEV. That the pusher does not answer is none.
pub(super) fn ask_palettes(call: &Call) -> Result<()> {
    match try_ask_palettes(call) {
        Err(e @ (Errno::EINTR | Errno::ENODEV)) => Err(e),
        _ => Ok(()),
    }
}

fn try_ask_palettes(call: &Call) -> Result<()> {
    let inside = enter(call)?;
    if call.asked_palettes.swap(inside.zero, Ordering::Relaxed) == inside.zero {
        return Ok(());
    }
    let pusher_page = inside.pusher_page;
    let alone = || pusher_page.clients() == 1 && call.board().streamers.load(Ordering::SeqCst) == 0;
    let unknown = |palette: &Palette| {
        let tried = pusher_page.has_palette(palette.format()).is_some();
        palette.fourcc().is_some() && !tried && !has_palette(call, *palette)
    };
    if !alone() || pusher_page.takes_v4l2() || !Palette::ALL.iter().any(unknown) {
        return Ok(());
    }
    let turn = Turn::take(call)?;
    let mut had = VideoPicture::new_zeroed();
    if refusable(turn.exchange(request::GPICT, &mut had))?.is_none() {
        return Ok(());
    }
    let until = sys::now() + ASK_PALETTES_FOR;
    let mut changed = false;
    let mut result = Ok(());
    for palette in Palette::ALL.iter() {
        if !unknown(palette) {
            continue;
        }
        if !alone() || sys::now() > until {
            break;
        }
        let mut wanted = VideoPicture { palette: palette.number(), depth: palette.depth(), ..had };
        result = refusable(turn.exchange(request::SPICT, &mut wanted)).and_then(|accepted| {
            if accepted.is_none() {
                return Ok(());
            }
            changed = true;
            refusable(turn.exchange(request::GPICT, &mut wanted)).map(drop)
        });
        if result.is_err() {
            break;
        }
    }
    if changed {
        refusable(turn.exchange(request::SPICT, &mut { had }))?;
        refusable(turn.exchange(request::GPICT, &mut had))?;
    }
    result
}

/// The format to ask the pusher for, or to tell as the nearest one: a size that it has, and a palette that it is
/// known to have; with `any_palette` one that it may have.
pub(super) fn resolve(call: &Call, asked: &V4l2PixFormat, any_palette: bool) -> V4l2PixFormat {
    let now = to_v4l2(&call.board().format().pix);
    if others_stream(call) {
        return now;
    }
    let known =
        Palette::from_fourcc(asked.fourcc()).is_some_and(|palette| any_palette || has_palette(call, palette));
    let (mut width, mut height) = (asked.width, asked.height);
    match sizes(call) {
        Some([max_width, max_height, min_width, min_height]) => {
            (width, height) = (width.clamp(min_width, max_width), height.clamp(min_height, max_height));
        }
        None => (width, height) = (now.width, now.height),
    }
    let pixelformat = if known { asked.pixelformat } else { now.pixelformat };
    (width, height) = PixelFormat::of(Fourcc(pixelformat)).map_or((width, height), |f| f.fit(width, height));
    let wanted = nearest(&V4l2PixFormat { pixelformat, width, height, ..V4l2PixFormat::new_zeroed() });
    // Its own colours, if it is what there is.
    if same_frames(&wanted, &now) { now } else { wanted }
}

/// The client meets the pusher that there is: a stream that began with another one goes on if this one
/// can be brought to the same format. False: it has met it.
///
/// # Errors
/// EIO, ETIMEDOUT: the pusher does not answer. EINTR, ENODEV.
pub fn meet(call: &Call) -> Result<bool> {
    if want::has_met(call) {
        return Ok(false);
    }
    join(call, 0).map_err(|e| if e == Errno::EINVAL { Errno::EIO } else { e })?;
    let Some(inside) = Inside::enter(call) else { return Ok(true) };
    let page = call.page();
    if !inside.pusher_page.has_format() {
        let streams =
            page.count.load(Ordering::Relaxed) != 0 || page.streaming.load(Ordering::Relaxed) & BY_READ != 0;
        if streams {
            set(&Turn::take(call)?, &to_v4l2(&frozen(page)))?;
        }
        try_learn(call)?;
    }
    want::meet(call, &inside);
    Ok(true)
}

// -------------------------------------------------------------------------------- what there is besides

/// Whether a request is about what only a zero-copy pusher has.
pub(super) const fn is_pusher_s(request: V4l2Request) -> bool {
    use V4l2Request::{GFrequency, GTuner, SFrequency, STuner};
    matches!(request, GTuner | STuner | GFrequency | SFrequency)
}

/// What the pusher tells of itself, asked once.
pub(super) fn told(call: &Call) -> PusherCaps {
    let Ok(inside) = enter(call) else { return PusherCaps::default() };
    if let Some(told) = inside.pusher_page.told() {
        return told;
    }
    // Who refuses is asked again next time.
    let _ = ask_once(call, request::GCAP, VideoCapability::new_zeroed());
    inside.pusher_page.told().unwrap_or_default()
}

/// Whether the pusher has a tuner.
pub(super) fn has_tuner(call: &Call) -> bool {
    is_zero(call) && told(call).type_ & VID_TYPE_TUNER as u32 != 0
}

/// The sizes that the pusher has: the largest width and height, the least. None: it does not say, or has
/// only one, as every one-copy pipe.
pub(super) fn sizes(call: &Call) -> Option<[u32; 4]> {
    if !is_zero(call) {
        return None;
    }
    let sizes @ [max_width, max_height, min_width, min_height] = told(call).sizes;
    let ordered = 0 < min_width && min_width <= max_width && 0 < min_height && min_height <= max_height;
    (ordered && (min_width < max_width || min_height < max_height)).then_some(sizes)
}

/// Sizes that programs know by name.
const USUAL: [(u32, u32); 16] = [
    (160, 120),
    (176, 144),
    (320, 180),
    (320, 240),
    (352, 288),
    (640, 360),
    (640, 480),
    (720, 576),
    (800, 600),
    (960, 540),
    (1024, 768),
    (1280, 720),
    (1280, 1024),
    (1600, 1200),
    (1920, 1080),
    (3840, 2160),
];

/// The sizes that are listed of a pusher with a range: the one that it has, its largest, and the usual ones
/// between. One by one, because Chromium hides cameras that tell a range (driver/docs/clients.md, "What each program
/// needs"); S_FMT takes any. `fits` brings a size to what the format can have.
pub(super) fn listed(
    range: [u32; 4],
    now: (u32, u32),
    fits: impl Fn(u32, u32) -> (u32, u32),
    index: u32,
) -> Option<(u32, u32)> {
    let [max_width, max_height, min_width, min_height] = range;
    let inside = |&(width, height): &(u32, u32)| {
        (min_width..=max_width).contains(&width) && (min_height..=max_height).contains(&height)
    };
    let largest = Some(fits(max_width, max_height)).filter(|size| inside(size) && *size != now);
    let usual = USUAL.into_iter().filter(|size| {
        inside(size) && fits(size.0, size.1) == *size && *size != now && Some(*size) != largest
    });
    core::iter::once(now).chain(largest).chain(usual).nth(index as usize)
}

fn channel(call: &Call, index: u32) -> Result<VideoChannel> {
    let number = i32::try_from(index).map_err(|_| Errno::EINVAL)?;
    let channels = told(call).channels;
    // Old pushers answer for any number as for the one that there is.
    if index >= channels.max(1) {
        return Err(Errno::EINVAL);
    }
    ask_once(call, request::GCHAN, VideoChannel { channel: number, ..VideoChannel::new_zeroed() })
}

/// ENUMINPUT: the pusher's channels.
///
/// # Errors
/// EINVAL: no such channel, or the pusher refuses. EIO, ETIMEDOUT, EINTR, ENODEV.
pub(super) fn input(call: &Call, index: u32) -> Result<V4l2Input> {
    let channel = channel(call, index)?;
    let tv = channel.type_ == VIDEO_TYPE_TV || channel.tuners > 0;
    Ok(V4l2Input {
        index,
        name: channel.name,
        type_: if tv { V4L2_INPUT_TYPE_TUNER } else { V4L2_INPUT_TYPE_CAMERA },
        ..V4l2Input::default()
    })
}

/// S_INPUT.
///
/// # Errors
/// As [`input`].
pub(super) fn set_input(call: &Call, index: u32) -> Result<()> {
    // With the norm that it has.
    let channel = channel(call, index)?;
    ask_once(call, request::SCHAN, channel).map(drop)
}

/// G_INPUT: V4L1 does not tell; it is the one that was selected last.
pub(super) fn current_input(call: &Call) -> u32 {
    enter(call).map_or(0, |inside| inside.pusher_page.channel())
}

/// G_TUNER.
///
/// # Errors
/// EINVAL: no such tuner. ENOTTY: the pusher has none. EIO, ETIMEDOUT, EINTR, ENODEV.
pub(super) fn tuner(call: &Call, index: u32) -> Result<V4l2Tuner> {
    let number = i32::try_from(index).map_err(|_| Errno::EINVAL)?;
    let asked = VideoTuner { tuner: number, ..VideoTuner::new_zeroed() };
    let told = refusable(ask_once(call, request::GTUNER, asked))?.ok_or(Errno::EINVAL)?;
    let flag = |there: u32, becomes: u32| if told.flags & there != 0 { becomes } else { 0 };
    let stereo = told.flags & VIDEO_TUNER_STEREO_ON != 0;
    Ok(V4l2Tuner {
        index,
        name: told.name,
        type_: V4L2_TUNER_ANALOG_TV,
        capability: flag(VIDEO_TUNER_LOW, V4L2_TUNER_CAP_LOW)
            | flag(VIDEO_TUNER_NORM, V4L2_TUNER_CAP_NORM)
            | flag(VIDEO_TUNER_STEREO_ON, V4L2_TUNER_CAP_STEREO),
        rangelow: told.rangelow.try_into().unwrap_or(u32::MAX),
        rangehigh: told.rangehigh.try_into().unwrap_or(u32::MAX),
        rxsubchans: if stereo { V4L2_TUNER_SUB_STEREO } else { V4L2_TUNER_SUB_MONO },
        audmode: if stereo { V4L2_TUNER_MODE_STEREO } else { V4L2_TUNER_MODE_MONO },
        signal: told.signal.into(),
        ..V4l2Tuner::default()
    })
}

fn check_tuner(call: &Call, asked: u32) -> Result<()> {
    if !has_tuner(call) {
        return Err(Errno::EINVAL);
    }
    tuner(call, asked).map(drop)
}

/// G_FREQUENCY, in the tuner's units, which both APIs have alike.
///
/// # Errors
/// As [`tuner`].
pub(super) fn frequency(call: &Call, asked: u32) -> Result<V4l2Frequency> {
    check_tuner(call, asked)?;
    let frequency = ask_once(call, request::GFREQ, 0u64)?;
    Ok(V4l2Frequency {
        tuner: asked,
        type_: V4L2_TUNER_ANALOG_TV,
        frequency: frequency.try_into().unwrap_or(u32::MAX),
        ..V4l2Frequency::default()
    })
}

/// S_FREQUENCY; out of the tuner's range it is the nearest that it has.
///
/// # Errors
/// As [`tuner`].
pub(super) fn set_frequency(call: &Call, asked: &V4l2Frequency) -> Result<()> {
    if !has_tuner(call) || asked.type_ != V4L2_TUNER_ANALOG_TV {
        return Err(Errno::EINVAL);
    }
    let tuner = tuner(call, asked.tuner)?;
    let frequency = asked.frequency.max(tuner.rangelow).min(tuner.rangehigh.max(tuner.rangelow));
    ask_once(call, request::SFREQ, u64::from(frequency)).map(drop)
}

/// Before a client sleeps for a frame: a zero-copy pusher delivers only on request, so one is requested.
///
/// # Errors
/// EAGAIN: the descriptor is one that does not sleep. EIO: the pusher refuses to capture; ENODEV, and
/// what its answers to the first questions may be.
pub fn before_sleep(call: &Call) -> Result<Wait> {
    if is_zero(call) {
        if meet(call)? {
            // The format may be another one now.
            return Ok(Wait::LookAgain);
        }
        // What it refuses is told once.
        want::want_frame(call).inspect_err(|_| want::forget(call))?;
    }
    if call.caller.may_wait() { Ok(Wait::Sleep) } else { Err(Errno::EAGAIN) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_listed_once_each() {
        let even = |width: u32, height: u32| (width & !1, height);
        let all = |range, now| -> Vec<(u32, u32)> {
            (0..).map_while(|index| listed(range, now, even, index)).collect()
        };
        assert_eq!(
            all([641, 480, 100, 100], (320, 240)),
            [(320, 240), (640, 480), (160, 120), (176, 144), (320, 180), (352, 288), (640, 360)]
        );
        assert_eq!(all([320, 240, 320, 240], (320, 240)), [(320, 240)]);
        // What the pusher has need not be inside what it tells.
        assert_eq!(all([64, 64, 64, 64], (20, 20)), [(20, 20), (64, 64)]);
    }
}

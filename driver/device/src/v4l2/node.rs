//! The V4L2 table's handlers.

use core::sync::atomic::Ordering;

use vloopback_abi::text;
use vloopback_abi::v4l2::flags::V4L2_FMT_FLAG_EMULATED;
use vloopback_abi::v4l2::pixel::{nearest_within, with_lines};
use vloopback_abi::v4l2::{
    Fourcc, PixelFormat, V4L2_BUF_TYPE_VIDEO_CAPTURE, V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE,
    V4L2_BUF_TYPE_VIDEO_OUTPUT, V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE, V4L2_CAP_DEVICE_CAPS,
    V4L2_CAP_EXT_PIX_FORMAT, V4L2_CAP_READWRITE, V4L2_CAP_STREAMING, V4L2_CAP_TIMEPERFRAME, V4L2_CAP_TUNER,
    V4L2_CAP_VIDEO_CAPTURE, V4L2_CAP_VIDEO_OUTPUT, V4L2_FIELD_NONE, V4L2_FRMIVAL_TYPE_CONTINUOUS,
    V4L2_FRMSIZE_TYPE_CONTINUOUS, V4L2_IN_ST_NO_SIGNAL, V4L2_INPUT_TYPE_CAMERA, V4L2_OUTPUT_TYPE_ANALOG,
    V4L2_PRIORITY_DEFAULT, V4L2_SEL_TGT_COMPOSE_BOUNDS, V4L2_SEL_TGT_COMPOSE_DEFAULT,
    V4L2_SEL_TGT_CROP_BOUNDS, V4L2_SEL_TGT_CROP_DEFAULT, V4l2Buffer, V4l2Capability, V4l2Control,
    V4l2CreateBuffers, V4l2Cropcap, V4l2Event, V4l2EventSubscription, V4l2Exportbuffer, V4l2ExtControls,
    V4l2Fmtdesc, V4l2Format, V4l2Fract, V4l2Frequency, V4l2Frmivalenum, V4l2FrmsizeStepwise, V4l2Frmsizeenum,
    V4l2Input, V4l2Output, V4l2PixFormat, V4l2QueryExtCtrl, V4l2Queryctrl, V4l2Querymenu, V4l2Rect,
    V4l2Requestbuffers, V4l2Selection, V4l2Streamparm, V4l2Tuner,
};
use vloopback_ioctl::{Answer, ControlList, Errno, V4l2Device, V4l2Row};
use vloopback_ring::{MAX_BUFFERS, Pix, SessionPage};
use vloopback_wire::Request;

use super::controls::Want;

use crate::caller::Call;
use crate::open_file::set_interval;
use crate::v4l1;
use crate::v4l2::format::{INTERVALS, freeze, frozen, nearest_interval, to_v4l2};
use crate::v4l2::lines::own_lines;
use crate::v4l2::queue::is_owned_elsewhere;
use crate::v4l2::{
    bridge, buffers, controls, convert, dequeue, events, feed, format, names, picture, queue, rate,
};
use crate::zero::memory::is_zero;
use vloopback_link::connection;

/// The kernel version whose API this is, as QUERYCAP tells it: Linux 6.1.
const API_VERSION: u32 = 6 << 16 | 1 << 8;
/// Buffers that read() and write() work with, as G_PARM tells: the one being filled and the newest.
const READ_BUFFERS: u32 = 2;

/// An open node as the V4L2 table sees it.
pub struct Node<'a> {
    pub call: &'a Call<'a>,
}

/// # Errors
/// EINVAL: a code that nobody knows.
fn known(fourcc: u32) -> Answer<PixelFormat> {
    PixelFormat::of(Fourcc(fourcc)).ok_or(Errno::EINVAL)
}

fn only(fine: bool) -> Answer<()> {
    if fine { Ok(()) } else { Err(Errno::EINVAL) }
}

impl Node<'_> {
    fn is_input(&self) -> bool {
        self.call.info().input
    }

    fn page(&self) -> &SessionPage {
        self.call.page()
    }

    fn buf_type(&self) -> u32 {
        if self.is_input() { V4L2_BUF_TYPE_VIDEO_OUTPUT } else { V4L2_BUF_TYPE_VIDEO_CAPTURE }
    }

    fn check_type(&self, type_: u32) -> Answer<()> {
        only(type_ == self.buf_type())
    }

    /// Who has no buffers does not touch the stream of the process's owner (V4L2 specification, Multiple
    /// Opens).
    fn check_owner(&self) -> Answer<()> {
        let has_none = self.page().count.load(Ordering::Relaxed) == 0;
        if has_none && is_owned_elsewhere(self.call) { Err(Errno::EBUSY) } else { Ok(()) }
    }

    /// As [`Node::check_type`], for requests in which the name for several planes is as good (V4L2
    /// specification, VIDIOC_G_SELECTION and VIDIOC_CROPCAP).
    fn check_any_type(&self, type_: u32) -> Answer<()> {
        let planes = if self.is_input() {
            V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE
        } else {
            V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE
        };
        only(type_ == self.buf_type() || type_ == planes)
    }

    /// Whether the node is the output of a zero-copy pipe.
    fn is_bridged(&self) -> bool {
        !self.is_input() && is_zero(self.call)
    }

    /// The format that the descriptor has: its buffers', else the pipe's. A zero-copy pusher is asked.
    ///
    /// # Errors
    /// EINTR, ENODEV.
    fn learned_pix(&self) -> Answer<Pix> {
        if self.is_bridged() {
            bridge::learn(self.call)?;
        }
        Ok(self.pix())
    }

    fn pix(&self) -> Pix {
        let page = self.page();
        if page.count.load(Ordering::Relaxed) != 0 { frozen(page) } else { own_lines(page, self.pipe_pix()) }
    }

    /// The pipe's format, by the name that the process knows.
    fn pipe_pix(&self) -> Pix {
        let pix = self.call.board().format().pix;
        if self.is_input() { pix } else { names::under_asked_name(self.call, pix) }
    }

    /// `near`, the nearest format that there is, with the lines that the program has asked for. Not where these are
    /// what is left of the format that it was told of before it asked for another one.
    fn with_lines(&self, near: V4l2PixFormat, asked: &V4l2PixFormat) -> V4l2PixFormat {
        if !self.is_input() && !Pix::from(&near).same_frames(&self.call.board().format().pix) {
            // What is converted has no padding.
            return near;
        }
        let now = self.pix();
        let left = (now.bytesperline, now.sizeimage) == (asked.bytesperline, asked.sizeimage);
        let same = (now.fourcc, now.width, now.height) == (asked.pixelformat, asked.width, asked.height);
        if left && !same { near } else { with_lines(near, asked) }
    }

    /// The format that is listed first: the pipe's own name of the one that it has, whatever name the program
    /// asked for, so that a list stays as it is.
    fn listed_first(&self) -> Answer<Fourcc> {
        let fixed = self.page().count.load(Ordering::Relaxed) != 0;
        let pix = self.learned_pix()?;
        let own = self.call.board().format().pix;
        Ok(Fourcc(if fixed && !pix.same_frames(&own) { pix.fourcc } else { own.fourcc }))
    }

    /// The sizes that an output lists of a format.
    fn listed_sizes(&self, format: &PixelFormat) -> Answer<impl Iterator<Item = (u32, u32)> + use<>> {
        let format = *format;
        let pix = self.learned_pix()?;
        let range = bridge::sizes(self.call);
        // A V4L1 pusher's other palettes have no odd sizes.
        let now = if self.is_bridged() { format.fit(pix.width, pix.height) } else { (pix.width, pix.height) };
        let has_buffers = self.page().count.load(Ordering::Relaxed) != 0;
        let is_fixed = has_buffers && !pix.same_frames(&self.call.board().format().pix);
        let own_sizes = convert::sizes(self.call, format.fourcc);
        Ok((0..).map_while(move |index| match range {
            Some(range) => bridge::listed(range, now, |width, height| format.fit(width, height), index),
            None if is_fixed => Some(now).filter(|_| index == 0),
            None => own_sizes.clone().nth(index as usize),
        }))
    }

    /// # Errors
    /// EINVAL: the output does not list this code. EINTR, ENODEV.
    fn listed_format(&self, fourcc: u32) -> Answer<PixelFormat> {
        let first = self.listed_first()?;
        let mut all = names::listed(self.call, first).chain(names::emulated(self.call, first));
        all.find(|format| format.fourcc.0 == fourcc).ok_or(Errno::EINVAL)
    }

    /// The rectangle of the whole picture.
    fn picture(&self) -> Answer<V4l2Rect> {
        let pix = self.learned_pix()?;
        Ok(V4l2Rect { left: 0, top: 0, width: pix.width, height: pix.height })
    }

    /// What was said of the rate; where nobody did, a client is told how often the frames come, once that is steady.
    fn interval(&self) -> V4l2Fract {
        let format = self.call.board().format();
        let is_counted = !self.is_input() && format.told == 0 && format.feed != 0 && format.zero == 0;
        let counted = if is_counted { rate::counted(self.call) } else { None };
        let [numerator, denominator] = format.interval;
        counted.unwrap_or(V4l2Fract { numerator, denominator })
    }

    /// What S_FMT would set.
    fn resolve(&self, asked: &V4l2PixFormat) -> Answer<V4l2PixFormat> {
        if self.is_input() {
            return Ok(self.with_lines(self.settable(asked), asked));
        }
        // A client gets what the pipe carries.
        let now = to_v4l2(&self.learned_pix()?);
        let near = if self.page().count.load(Ordering::Relaxed) != 0 {
            now
        } else if self.is_bridged() {
            bridge::resolve(self.call, asked, false)
        } else {
            let pipe = names::as_asked(self.call, to_v4l2(&self.pipe_pix()), asked);
            return Ok(self.with_lines(pipe, asked));
        };
        Ok(names::as_asked(self.call, near, asked))
    }

    /// The nearest format that a pusher can set: within the pipe's sizes, or the one that is kept.
    fn settable(&self, asked: &V4l2PixFormat) -> V4l2PixFormat {
        self.kept().map_or_else(|| nearest_within(asked, self.sizes()), |kept| to_v4l2(&kept))
    }

    /// Of an input: the one format that can be pushed, where it is kept.
    fn kept(&self) -> Option<Pix> {
        let board = self.call.board();
        let is_kept = self.is_input() && board.kept.load(Ordering::Relaxed) != 0;
        is_kept.then(|| board.format().pix)
    }

    /// The pipe's least width, most width, least height, most height.
    fn sizes(&self) -> [u32; 4] {
        core::array::from_fn(|k| self.call.board().sizes[k].load(Ordering::Relaxed))
    }

    fn controls(&self, head: &mut V4l2ExtControls, list: &mut dyn ControlList, want: Want) -> Answer<()> {
        if !self.is_input() {
            if let Some(answer) = picture::each_control(self.call, head, list, want) {
                return answer;
            }
        }
        let sliders = controls::names(list).1;
        let get = || picture::values(self.call, sliders);
        controls::serve(head, list, want, get, |values, which| picture::set_values(self.call, values, which))
    }

    fn parm(&self, type_: u32) -> V4l2Streamparm {
        let mut parm = V4l2Streamparm { type_, ..V4l2Streamparm::default() };
        if self.is_input() {
            let mut output = parm.output();
            output.capability = V4L2_CAP_TIMEPERFRAME;
            output.timeperframe = self.interval();
            output.writebuffers = READ_BUFFERS;
            parm.set_output(output);
        } else {
            let mut capture = parm.capture();
            capture.capability = V4L2_CAP_TIMEPERFRAME;
            capture.timeperframe = self.interval();
            capture.readbuffers = READ_BUFFERS;
            parm.set_capture(capture);
        }
        parm
    }
}

/// Three decimal digits, so that no name is the beginning of another.
fn three_digits(n: u32) -> [u8; 3] {
    [n / 100 % 10, n / 10 % 10, n % 10].map(|digit| b'0' + digit as u8)
}

/// `platform:vloopback-NNN-in` or `-out`.
fn bus_info(pipe: u32, input: bool) -> [u8; 32] {
    v4l1::joined([b"platform:vloopback-", &three_digits(pipe), if input { b"-in" } else { b"-out" }])
}

/// What QUERYCAP tells of a node: driver, card and bus. Programs of today test for v4l2loopback's.
fn names_of(call: &Call) -> ([u8; 16], [u8; 32], [u8; 32]) {
    let (info, board) = (call.info(), call.board());
    if info.legacy || call.caller.has_own_names() {
        return (
            text::field("vloopback"),
            v4l1::name(info.pipe, info.input),
            bus_info(info.pipe, info.input),
        );
    }
    let own = board.own_names.load(Ordering::Relaxed) != 0;
    let label = board.label();
    let card = match (label[0], own) {
        (0, true) => v4l1::name(info.pipe, info.input),
        (0, false) => v4l1::numbered(b"Loopback video device ", info.node, b""),
        _ => label,
    };
    if own {
        (text::field("vloopback"), card, bus_info(info.pipe, info.input))
    } else {
        (
            text::field("v4l2 loopback"),
            card,
            v4l1::joined([b"platform:v4l2loopback-", &three_digits(info.node), b""]),
        )
    }
}

impl V4l2Device for Node<'_> {
    fn knows(&self, row: &V4l2Row) -> bool {
        let served = if self.is_input() { row.on_input } else { row.on_output };
        served && (!bridge::is_pusher_s(row.id) || (self.is_bridged() && bridge::has_tuner(self.call)))
    }

    fn admit(&mut self, row: &V4l2Row) -> Answer<()> {
        if !row.ranked {
            return Ok(());
        }
        let highest = &self.call.board().priorities[usize::from(!self.is_input())];
        let own = match self.page().priority.load(Ordering::Relaxed) {
            0 => V4L2_PRIORITY_DEFAULT,
            own => own,
        };
        if highest.load(Ordering::Relaxed) > own { Err(Errno::EBUSY) } else { Ok(()) }
    }

    fn querycap(&mut self) -> Answer<V4l2Capability> {
        let info = self.call.info();
        let direction = if info.input { V4L2_CAP_VIDEO_OUTPUT } else { V4L2_CAP_VIDEO_CAPTURE };
        let tuner = if self.is_bridged() && bridge::has_tuner(self.call) { V4L2_CAP_TUNER } else { 0 };
        let device_caps =
            direction | V4L2_CAP_READWRITE | V4L2_CAP_STREAMING | V4L2_CAP_EXT_PIX_FORMAT | tuner;
        let (driver, card, bus_info) = names_of(self.call);
        Ok(V4l2Capability {
            driver,
            card,
            bus_info,
            version: API_VERSION,
            // ffmpeg and Chromium look here and not at device_caps.
            capabilities: device_caps | V4L2_CAP_DEVICE_CAPS,
            device_caps,
            ..V4l2Capability::default()
        })
    }

    /// An output has the format that the pipe carries, and what else its zero-copy pusher has; a pusher may bring
    /// any that we know.
    fn enum_fmt(&mut self, asked: V4l2Fmtdesc) -> Answer<V4l2Fmtdesc> {
        self.check_type(asked.type_)?;
        let index = asked.index as usize;
        let format = if let Some(kept) = self.kept() {
            PixelFormat::of(Fourcc(kept.fourcc)).filter(|_| index == 0)
        } else if self.is_input() {
            PixelFormat::ALL.get(index).copied()
        } else {
            if self.is_bridged() {
                bridge::ask_palettes(self.call)?;
            }
            let first = self.listed_first()?;
            let native = names::listed(self.call, first).count();
            if let Some(beyond) = index.checked_sub(native) {
                let format = names::emulated(self.call, first).nth(beyond).ok_or(Errno::EINVAL)?;
                let told = format.fmtdesc(asked.index, asked.type_);
                return Ok(V4l2Fmtdesc { flags: told.flags | V4L2_FMT_FLAG_EMULATED, ..told });
            }
            names::listed(self.call, first).nth(index)
        };
        Ok(format.ok_or(Errno::EINVAL)?.fmtdesc(asked.index, asked.type_))
    }

    fn g_fmt(&mut self, asked: V4l2Format) -> Answer<V4l2Format> {
        self.check_type(asked.type_)?;
        Ok(V4l2Format::with_pix(asked.type_, to_v4l2(&self.learned_pix()?)))
    }

    fn s_fmt(&mut self, asked: V4l2Format) -> Answer<V4l2Format> {
        self.check_type(asked.type_)?;
        let mut pix = self.resolve(&asked.pix())?;
        if self.page().count.load(Ordering::Relaxed) != 0 {
            // Buffers are of one format.
            return Err(Errno::EBUSY);
        }
        if self.is_input() {
            format::set_format(self.call, &pix)?;
            freeze(self.page(), &Pix::from(&pix));
        } else {
            let bridged = self.is_bridged();
            if bridged {
                bridge::set_format(self.call, &asked.pix())?;
            }
            names::choose(self.call, asked.pix().fourcc(), &pix);
            pix = to_v4l2(&self.pipe_pix());
            if !bridged {
                pix = self.with_lines(pix, &asked.pix());
            }
            // Who reads goes on with this one.
            freeze(self.page(), &Pix::from(&pix));
        }
        Ok(V4l2Format::with_pix(asked.type_, pix))
    }

    fn try_fmt(&mut self, asked: V4l2Format) -> Answer<V4l2Format> {
        self.check_type(asked.type_)?;
        Ok(V4l2Format::with_pix(asked.type_, self.resolve(&asked.pix())?))
    }

    fn enum_framesizes(&mut self, asked: V4l2Frmsizeenum) -> Answer<V4l2Frmsizeenum> {
        if let Some(kept) = self.kept() {
            only(asked.index == 0 && asked.pixel_format == kept.fourcc)?;
            let mut answer = asked;
            answer.set_discrete(kept.width, kept.height);
            return Ok(answer);
        }
        if self.is_input() {
            only(asked.index == 0).and_then(|()| known(asked.pixel_format))?;
            let [min_width, max_width, min_height, max_height] = self.sizes();
            let mut answer = asked;
            answer.set_stepwise(V4l2FrmsizeStepwise {
                min_width,
                max_width,
                step_width: 1,
                min_height,
                max_height,
                step_height: 1,
            });
            answer.type_ = V4L2_FRMSIZE_TYPE_CONTINUOUS;
            return Ok(answer);
        }
        let format = self.listed_format(asked.pixel_format)?;
        let size = self.listed_sizes(&format)?.nth(asked.index as usize);
        let (width, height) = size.ok_or(Errno::EINVAL)?;
        let mut answer = asked;
        answer.set_discrete(width, height);
        Ok(answer)
    }

    fn enum_frameintervals(&mut self, asked: V4l2Frmivalenum) -> Answer<V4l2Frmivalenum> {
        if let Some(kept) = self.kept() {
            let wanted = (asked.pixel_format, asked.width, asked.height);
            only(asked.index == 0 && wanted == (kept.fourcc, kept.width, kept.height))?;
            let mut answer = asked;
            answer.set_discrete(self.interval());
            return Ok(answer);
        }
        if self.is_input() {
            let format = only(asked.index == 0).and_then(|()| known(asked.pixel_format))?;
            let wanted = V4l2PixFormat {
                pixelformat: format.fourcc.0,
                width: asked.width,
                height: asked.height,
                ..V4l2PixFormat::default()
            };
            let near = nearest_within(&wanted, self.sizes());
            only((near.width, near.height) == (asked.width, asked.height))?;
            let mut answer = asked;
            answer.set_stepwise(INTERVALS);
            answer.type_ = V4L2_FRMIVAL_TYPE_CONTINUOUS;
            return Ok(answer);
        }
        only(asked.index == 0)?;
        let format = self.listed_format(asked.pixel_format)?;
        let can_be = self.listed_sizes(&format)?.any(|size| size == (asked.width, asked.height));
        only(can_be)?;
        let mut answer = asked;
        answer.set_discrete(self.interval());
        Ok(answer)
    }

    fn g_parm(&mut self, asked: V4l2Streamparm) -> Answer<V4l2Streamparm> {
        self.check_type(asked.type_)?;
        Ok(self.parm(asked.type_))
    }

    /// A pusher says how often its frames come; a client is told.
    fn s_parm(&mut self, asked: V4l2Streamparm) -> Answer<V4l2Streamparm> {
        self.check_type(asked.type_)?;
        // A rate that is kept stays, whatever a pusher says.
        if self.is_input() && self.call.board().kept.load(Ordering::Relaxed) == 0 {
            let interval = nearest_interval(asked.output().timeperframe);
            set_interval(self.call, interval.numerator, interval.denominator)?;
            self.page().paced.store(1, Ordering::Relaxed);
        }
        Ok(self.parm(asked.type_))
    }

    fn enuminput(&mut self, asked: V4l2Input) -> Answer<V4l2Input> {
        if self.is_bridged() {
            return bridge::input(self.call, asked.index);
        }
        only(asked.index == 0)?;
        let status = if self.call.board().feed() == 0 { V4L2_IN_ST_NO_SIGNAL } else { 0 };
        let (name, type_) = (text::field("Loopback"), V4L2_INPUT_TYPE_CAMERA);
        Ok(V4l2Input { name, type_, status, ..V4l2Input::default() })
    }

    fn g_input(&mut self) -> Answer<i32> {
        Ok(if self.is_bridged() { bridge::current_input(self.call) as i32 } else { 0 })
    }

    fn s_input(&mut self, number: i32) -> Answer<i32> {
        if self.is_bridged() {
            let index = u32::try_from(number).map_err(|_| Errno::EINVAL)?;
            return bridge::set_input(self.call, index).map(|()| number);
        }
        only(number == 0).map(|()| 0)
    }

    fn g_tuner(&mut self, asked: V4l2Tuner) -> Answer<V4l2Tuner> {
        only(bridge::has_tuner(self.call))?;
        bridge::tuner(self.call, asked.index)
    }

    fn s_tuner(&mut self, asked: V4l2Tuner) -> Answer<()> {
        // What may be set of it (how sound is received) is no business of pictures.
        self.g_tuner(asked).map(drop)
    }

    fn g_frequency(&mut self, asked: V4l2Frequency) -> Answer<V4l2Frequency> {
        bridge::frequency(self.call, asked.tuner)
    }

    fn s_frequency(&mut self, asked: V4l2Frequency) -> Answer<()> {
        bridge::set_frequency(self.call, &asked)
    }

    fn queryctrl(&mut self, asked: V4l2Queryctrl) -> Answer<V4l2Queryctrl> {
        controls::query(asked.id)
    }

    fn query_ext_ctrl(&mut self, asked: V4l2QueryExtCtrl) -> Answer<V4l2QueryExtCtrl> {
        controls::query_ext(asked.id)
    }

    fn g_ctrl(&mut self, asked: V4l2Control) -> Answer<V4l2Control> {
        let is_slider = controls::of_loopback(asked.id).is_none();
        controls::get(asked, || picture::values(self.call, is_slider))
    }

    fn s_ctrl(&mut self, asked: V4l2Control) -> Answer<V4l2Control> {
        controls::check_control(&asked)?;
        let is_slider = controls::of_loopback(asked.id).is_none();
        let mut values = picture::values(self.call, is_slider)?;
        let (told, which) = controls::put(asked, &mut values)?;
        picture::set_values(self.call, values, which).map(|()| told)
    }

    /// None of the controls is a menu.
    fn querymenu(&mut self, _: V4l2Querymenu) -> Answer<V4l2Querymenu> {
        Err(Errno::EINVAL)
    }

    fn dqevent(&mut self) -> Answer<V4l2Event> {
        events::dequeue(self.call)
    }

    fn subscribe_event(&mut self, asked: V4l2EventSubscription) -> Answer<()> {
        events::subscribe(self.call, &asked)
    }

    fn unsubscribe_event(&mut self, asked: V4l2EventSubscription) -> Answer<()> {
        events::unsubscribe(self.call, &asked)
    }

    fn g_ext_ctrls(&mut self, head: &mut V4l2ExtControls, list: &mut dyn ControlList) -> Answer<()> {
        self.controls(head, list, Want::Get)
    }

    fn s_ext_ctrls(&mut self, head: &mut V4l2ExtControls, list: &mut dyn ControlList) -> Answer<()> {
        self.controls(head, list, Want::Set)
    }

    fn try_ext_ctrls(&mut self, head: &mut V4l2ExtControls, list: &mut dyn ControlList) -> Answer<()> {
        self.controls(head, list, Want::Try)
    }

    fn enumoutput(&mut self, asked: V4l2Output) -> Answer<V4l2Output> {
        only(asked.index == 0)?;
        let (name, type_) = (text::field("Loopback"), V4L2_OUTPUT_TYPE_ANALOG);
        Ok(V4l2Output { name, type_, ..V4l2Output::default() })
    }

    fn g_output(&mut self) -> Answer<i32> {
        Ok(0)
    }

    fn s_output(&mut self, number: i32) -> Answer<i32> {
        only(number == 0).map(|()| 0)
    }

    /// Nothing is cropped or composed here: the whole picture is all that there is to tell (V4L2
    /// specification, "Cropping, composing and scaling").
    fn g_selection(&mut self, asked: V4l2Selection) -> Answer<V4l2Selection> {
        self.check_any_type(asked.type_)?;
        let (default, bounds) = if self.is_input() {
            (V4L2_SEL_TGT_COMPOSE_DEFAULT, V4L2_SEL_TGT_COMPOSE_BOUNDS)
        } else {
            (V4L2_SEL_TGT_CROP_DEFAULT, V4L2_SEL_TGT_CROP_BOUNDS)
        };
        only([default, bounds].contains(&asked.target))?;
        Ok(V4l2Selection { r: self.picture()?, flags: 0, ..asked })
    }

    fn cropcap(&mut self, asked: V4l2Cropcap) -> Answer<V4l2Cropcap> {
        self.check_any_type(asked.type_)?;
        let whole = self.picture()?;
        let square = V4l2Fract { numerator: 1, denominator: 1 };
        Ok(V4l2Cropcap { type_: asked.type_, bounds: whole, defrect: whole, pixelaspect: square })
    }

    fn log_status(&mut self) -> Answer<()> {
        connection::tell(&Request::LogStatus { session: self.call.info().session })
    }

    fn g_priority(&mut self) -> Answer<u32> {
        Ok(self.call.board().priorities[usize::from(!self.is_input())].load(Ordering::Relaxed))
    }

    fn s_priority(&mut self, priority: u32) -> Answer<()> {
        only((1..=3).contains(&priority))?;
        connection::tell(&Request::SetPriority { session: self.call.info().session, priority })?;
        self.page().priority.store(priority, Ordering::Relaxed);
        Ok(())
    }

    fn reqbufs(&mut self, asked: V4l2Requestbuffers) -> Answer<V4l2Requestbuffers> {
        self.check_type(asked.type_)?;
        if self.is_input() {
            feed::reqbufs(self.call, asked)
        } else {
            self.learned_pix()?;
            dequeue::reqbufs(self.call, asked)
        }
    }

    fn querybuf(&mut self, asked: V4l2Buffer) -> Answer<V4l2Buffer> {
        self.check_type(asked.type_)?;
        queue::querybuf(self.call, asked)
    }

    fn create_bufs(&mut self, asked: V4l2CreateBuffers) -> Answer<V4l2CreateBuffers> {
        self.check_type(asked.format.type_)?;
        if self.is_input() {
            feed::create_bufs(self.call, asked)
        } else {
            self.learned_pix()?;
            dequeue::create_bufs(self.call, asked)
        }
    }

    fn prepare_buf(&mut self, asked: V4l2Buffer) -> Answer<V4l2Buffer> {
        self.check_type(asked.type_)?;
        buffers::prepare(self.call, asked)
    }

    fn expbuf(&mut self, asked: V4l2Exportbuffer) -> Answer<V4l2Exportbuffer> {
        self.check_type(asked.type_)?;
        buffers::expbuf(self.call, asked)
    }

    fn qbuf(&mut self, asked: V4l2Buffer) -> Answer<V4l2Buffer> {
        self.check_type(asked.type_)?;
        self.check_owner()?;
        if self.is_input() { feed::qbuf(self.call, asked) } else { dequeue::qbuf(self.call, asked) }
    }

    fn dqbuf(&mut self, asked: V4l2Buffer) -> Answer<V4l2Buffer> {
        self.check_type(asked.type_)?;
        self.check_owner()?;
        if self.is_input() { feed::dqbuf(self.call) } else { dequeue::dqbuf(self.call) }
    }

    fn streamon(&mut self, type_: i32) -> Answer<()> {
        self.check_type(type_ as u32)?;
        self.check_owner()?;
        if self.is_input() { feed::streamon(self.call) } else { dequeue::streamon(self.call) }
    }

    fn streamoff(&mut self, type_: i32) -> Answer<()> {
        self.check_type(type_ as u32)?;
        self.check_owner()?;
        if self.is_input() { feed::streamoff(self.call) } else { dequeue::streamoff(self.call) }
    }
}

const _: () = assert!(V4L2_FIELD_NONE == 1 && MAX_BUFFERS == vloopback_abi::v4l2::VIDEO_MAX_FRAME);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_brought_into_range() {
        let near = |numerator, denominator| {
            let near = nearest_interval(V4l2Fract { numerator, denominator });
            (near.numerator, near.denominator)
        };
        assert_eq!(near(1001, 30_000), (1001, 30_000));
        assert_eq!((near(0, 5), near(5, 0)), ((1, 30), (1, 30)));
        assert_eq!((near(1, u32::MAX), near(u32::MAX, 1)), ((1, 1000), (1000, 1)));
    }

    #[test]
    fn no_bus_is_the_beginning_of_another() {
        let all: Vec<Vec<u8>> = (0..64)
            .flat_map(|pipe| [true, false].map(|input| text::bytes(&bus_info(pipe, input)).to_vec()))
            .collect();
        assert_eq!(all[0], b"platform:vloopback-000-in");
        for (k, one) in all.iter().enumerate() {
            assert!(all.iter().enumerate().all(|(j, other)| j == k || !other.starts_with(one)));
        }
    }
}

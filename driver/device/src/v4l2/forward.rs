//! V4L2 requests that a zero-copy pusher takes as they are.

use core::sync::atomic::Ordering;

use vloopback_abi::v4l2::pixel::nearest;
use vloopback_abi::v4l2::request as v4l2_request;
use vloopback_abi::v4l2::{V4l2Control, V4l2PixFormat, V4l2QueryExtCtrl, V4l2Queryctrl};
use vloopback_ioctl::{Abi, V4l2Device, V4l2Request, request_number};
use zerocopy::{FromZeros, IntoBytes};

use crate::caller::Call;
use crate::v4l2::bridge::{agree, ask_once, format, is_pusher_s, others_stream};
use crate::v4l2::controls::of_loopback;
use crate::v4l2::node::Node;
use crate::v4l2::picture;
use crate::zero::ask;
use crate::zero::memory::{enter, is_zero};
use crate::zero::turn::Turn;
use vloopback_sys::{Errno, Result};

/// A request that a pusher answers itself that takes V4L2's as they are. None: it does not, or refuses, or
/// the request is not one that it is asked.
pub fn forward(call: &Call, request: u64, arg: usize) -> Option<Result<i32>> {
    if call.info().input || !is_zero(call) {
        return None;
    }
    let takes = enter(call).is_ok_and(|inside| inside.pusher_page.takes_v4l2());
    let id = V4l2Request::find(request, call.caller.abi())
        .filter(|&id| takes && may_be_forwarded(id, call.caller.abi()))?;
    if is_loopbacks(call, id, arg) {
        return None;
    }
    // A higher priority keeps it from the pusher, too; the driver's own table says so.
    Node { call }.admit(id.row()).ok()?;
    let sets_format = id == V4l2Request::SFmt;
    let fixed = call.page().count.load(Ordering::Relaxed) != 0 || others_stream(call);
    if sets_format && fixed {
        return None;
    }
    match ask::forward(call, request_number(request), arg) {
        Ok(done) if sets_format => {
            let pix = ask_format(call);
            Some(pix.and_then(|pix| agree(call, &nearest(&pix))).map(|()| done))
        }
        Ok(done) if id == V4l2Request::SCtrl => {
            let mut control = V4l2Control::new_zeroed();
            // It was read and written there just now.
            Some(match call.caller.read(arg, control.as_mut_bytes()) {
                Ok(()) => picture::was_set(call, control).map(|()| done),
                Err(_) => Err(Errno::EFAULT),
            })
        }
        Err(Errno::ENOTTY) if id == V4l2Request::QueryExtCtrl => query_ext(call, arg),
        Err(Errno::ENOTTY) => None,
        answer => Some(answer),
    }
}

/// Whether a request is about one of v4l2loopback's controls, which are the pipe's own.
fn is_loopbacks(call: &Call, request: V4l2Request, arg: usize) -> bool {
    use V4l2Request::{GCtrl, QueryExtCtrl, Queryctrl, SCtrl};
    let mut id = [0; 4];
    [GCtrl, SCtrl, Queryctrl, QueryExtCtrl].contains(&request)
        && call.caller.read(arg, &mut id).is_ok()
        && of_loopback(u32::from_ne_bytes(id)).is_some()
}

/// A server that knows VIDIOC_QUERYCTRL alone is asked by that. None: it refuses.
fn query_ext(call: &Call, arg: usize) -> Option<Result<i32>> {
    let mut asked = V4l2QueryExtCtrl::new_zeroed();
    if call.caller.read(arg, asked.as_mut_bytes()).is_err() {
        return Some(Err(Errno::EFAULT));
    }
    let mut told = V4l2Queryctrl { id: asked.id, ..V4l2Queryctrl::default() };
    told = match ask_once(call, v4l2_request::QUERYCTRL, told) {
        Ok(told) => told,
        Err(Errno::ENOTTY) => return None,
        Err(e) => return Some(Err(e)),
    };
    let answer = V4l2QueryExtCtrl {
        id: told.id,
        type_: told.type_,
        name: told.name,
        minimum: told.minimum.into(),
        maximum: told.maximum.into(),
        step: told.step.unsigned_abs().into(),
        default_value: told.default_value.into(),
        flags: told.flags,
        elem_size: 4,
        elems: 1,
        ..V4l2QueryExtCtrl::default()
    };
    Some(call.caller.write(arg, answer.as_bytes()).map(|()| 0).map_err(|_| Errno::EFAULT))
}

/// Whether a request is about what the pusher knows, and has one shape in programs of either word size.
fn may_be_forwarded(request: V4l2Request, abi: Abi) -> bool {
    use V4l2Request::{
        EnumFmt, EnumFrameintervals, EnumFramesizes, Enuminput, GFmt, GInput, GParm, Querymenu, SFmt, SInput,
        SParm, TryFmt,
    };
    let about_format = matches!(
        request,
        EnumFmt | GFmt | SFmt | TryFmt | EnumFramesizes | EnumFrameintervals | GParm | SParm
    );
    let about_input = matches!(request, Enuminput | GInput | SInput | Querymenu);
    let by_address =
        matches!(request, V4l2Request::GExtCtrls | V4l2Request::SExtCtrls | V4l2Request::TryExtCtrls);
    let row = request.row();
    let one_shape = abi == Abi::Lp64 || row.ilp32 == row.lp64;
    (about_format || about_input || is_pusher_s(request) || (is_control_s(request) && !by_address))
        && one_shape
}

/// Whether a request is about controls.
const fn is_control_s(request: V4l2Request) -> bool {
    use V4l2Request::{GCtrl, GExtCtrls, QueryExtCtrl, Queryctrl, SCtrl, SExtCtrls, TryExtCtrls};
    matches!(request, GCtrl | SCtrl | Queryctrl | QueryExtCtrl | GExtCtrls | SExtCtrls | TryExtCtrls)
}

fn ask_format(call: &Call) -> Result<V4l2PixFormat> {
    format(&Turn::take(call)?)?.ok_or(Errno::EINVAL)
}

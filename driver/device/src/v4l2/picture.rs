//! The controls in force: the sliders, a zero-copy pusher's own or the pipe's, and v4l2loopback's.

use core::sync::atomic::Ordering;

use vloopback_abi::v4l1::{VideoPicture, request};
use vloopback_abi::v4l2::request as v4l2_request;
use vloopback_abi::v4l2::{V4L2_CTRL_WHICH_DEF_VAL, V4l2Control, V4l2ExtControls, V4l2Queryctrl};
use vloopback_core::{LoopbackControl, Slider};
use vloopback_ioctl::{ControlList, Errno};
use vloopback_wire::Request;
use zerocopy::FromZeros;

use crate::caller::Call;
use crate::v4l2::bridge::ask_once;
use crate::v4l2::controls::{self, LOOPBACK, Values, Want, Which, field};
use crate::zero::memory::{enter, is_zero};
use vloopback_link::connection;
use vloopback_sys::Result;

/// The values in force. Without `sliders` a pusher is not asked for those.
///
/// # Errors
/// As [`ask_picture`].
pub(super) fn values(call: &Call, sliders: bool) -> Result<Values> {
    let picture = if sliders && is_pushers(call) { ask_picture(call)? } else { of_board(call) };
    let [keep, sustain, timeout] = [0, 1, 2].map(|k| call.board().settings[k].load(Ordering::Relaxed));
    Ok(Values { picture, settings: [keep, sustain, timeout, 0] })
}

/// Sets controls. Who has subscribed to their events hears of it.
///
/// # Errors
/// As [`ask_for_picture`]; ENODEV.
pub(super) fn set_values(call: &Call, values: Values, which: Which) -> Result<()> {
    let session = call.info().session;
    for control in LoopbackControl::ALL {
        let k = control as u32;
        if which >> (LOOPBACK + k) & 1 != 0 {
            let value = values.settings[k as usize];
            connection::tell(&Request::SetLoopbackControl { session, which: k, value })?;
        }
    }
    let sliders = which & ((1 << LOOPBACK) - 1);
    if sliders == 0 {
        return Ok(());
    }
    if is_pushers(call) {
        ask_for_picture(call, values.picture)?;
    }
    note(call, &values.picture, sliders)
}

/// Before somebody is told the values as events: those of a zero-copy pusher, which may have changed them by
/// itself, are asked for.
///
/// # Errors
/// EINTR, ENODEV. That the pusher does not answer is none.
pub(super) fn refresh(call: &Call) -> Result<()> {
    if !is_pushers(call) {
        return Ok(());
    }
    match ask_picture(call) {
        Ok(picture) => note(call, &picture, Which::MAX),
        Err(e @ (Errno::EINTR | Errno::ENODEV)) => Err(e),
        Err(_) => Ok(()),
    }
}

/// Whether the picture is a zero-copy pusher's.
fn is_pushers(call: &Call) -> bool {
    !call.info().input && is_zero(call)
}

/// A zero-copy pusher that takes V4L2's requests has set a control itself. Who has subscribed hears of it.
///
/// # Errors
/// ENODEV.
pub(super) fn was_set(call: &Call, control: V4l2Control) -> Result<()> {
    let Some(slider) = Slider::of(control.id) else { return Ok(()) };
    let mut picture = of_board(call);
    if let Some(field) = field(&mut picture, control.id) {
        *field = control.value.clamp(0, Slider::MAX as i32) as u16;
    }
    note(call, &picture, 1 << slider.place)
}

fn of_board(call: &Call) -> VideoPicture {
    let [brightness, hue, colour, contrast, whiteness, ..] =
        call.board().format().picture.map(|value| value as u16);
    VideoPicture { brightness, hue, colour, contrast, whiteness, ..VideoPicture::default() }
}

/// The daemon keeps the sliders, and tells who has subscribed to them.
fn note(call: &Call, picture: &VideoPicture, which: Which) -> Result<()> {
    let values = [picture.brightness, picture.hue, picture.colour, picture.contrast, picture.whiteness];
    let session = call.info().session;
    connection::tell(&Request::SetControls { session, which, values: values.map(u32::from) })
}

/// The sliders.
///
/// # Errors
/// As [`input`].
fn ask_picture(call: &Call) -> Result<VideoPicture> {
    ask_once(call, request::GPICT, VideoPicture::new_zeroed())
}

/// Sets them.
///
/// # Errors
/// As [`input`].
fn ask_for_picture(call: &Call, picture: VideoPicture) -> Result<()> {
    ask_once(call, request::SPICT, picture).map(drop)
}

/// A list of controls of a server that takes V4L2's requests: it is asked for one after the other, as the
/// kernel does with drivers that know single ones. None: there is no such server, or it refuses the first.
pub(super) fn each_control(
    call: &Call,
    head: &mut V4l2ExtControls,
    list: &mut dyn ControlList,
    want: Want,
) -> Option<Result<()>> {
    // A list with v4l2loopback's is served as a whole.
    if list.is_empty()
        || controls::names(list).0
        || !is_zero(call)
        || !enter(call).is_ok_and(|inside| inside.pusher_page.takes_v4l2())
    {
        return None;
    }
    head.error_idx = head.count;
    let default = head.which == V4L2_CTRL_WHICH_DEF_VAL && want == Want::Get;
    for index in 0..list.len() {
        let answer = list.get(index).and_then(|mut control| {
            let mut single = V4l2Control { id: control.id, value: control.value() };
            match want {
                Want::Get if !default => single = ask_once(call, v4l2_request::G_CTRL, single)?,
                Want::Set => {
                    single = ask_once(call, v4l2_request::S_CTRL, single)?;
                    was_set(call, single)?;
                }
                Want::Get | Want::Try => {
                    let asked = V4l2Queryctrl { id: control.id, ..V4l2Queryctrl::default() };
                    let told = ask_once(call, v4l2_request::QUERYCTRL, asked)?;
                    let near = single.value.max(told.minimum).min(told.maximum.max(told.minimum));
                    single.value = if default { told.default_value } else { near };
                }
            }
            control.size = 0;
            control.set_value(single.value);
            list.set(index, control)
        });
        match answer {
            Ok(()) => {}
            Err(Errno::ENOTTY) if index == 0 => return None,
            Err(e) => {
                head.error_idx = index as u32;
                return Some(Err(e));
            }
        }
    }
    Some(Ok(()))
}

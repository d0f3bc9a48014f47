//! Controls: the sliders of the pipe's picture (brightness and its kin). On a one-copy pipe the daemon keeps
//! them, on either node, and V4L1 tells the same values; those of a zero-copy pipe's output are the pusher's
//! (VIDIOCGPICT and VIDIOCSPICT). And those that v4l2loopback has, which say how the pipe itself behaves.
//!
//! The rules are those of the V4L2 specification ("Extended Controls API") and of the kernel's control
//! framework: values out of range are brought into it, a list is set as a whole or not at all, and
//! `error_idx` is the list's length unless one control is to blame in TRY_EXT_CTRLS.

use vloopback_abi::text;
use vloopback_abi::v4l1::VideoPicture;
use vloopback_abi::v4l2::{
    V4L2_CID_BRIGHTNESS, V4L2_CID_CONTRAST, V4L2_CID_HUE, V4L2_CID_PRIVATE_BASE, V4L2_CID_SATURATION,
    V4L2_CID_USER_CLASS, V4L2_CID_WHITENESS, V4L2_CTRL_CLASS_USER, V4L2_CTRL_FLAG_EXECUTE_ON_WRITE,
    V4L2_CTRL_FLAG_NEXT_COMPOUND, V4L2_CTRL_FLAG_NEXT_CTRL, V4L2_CTRL_FLAG_READ_ONLY, V4L2_CTRL_FLAG_SLIDER,
    V4L2_CTRL_FLAG_WRITE_ONLY, V4L2_CTRL_ID_MASK, V4L2_CTRL_TYPE_BOOLEAN, V4L2_CTRL_TYPE_BUTTON,
    V4L2_CTRL_TYPE_CTRL_CLASS, V4L2_CTRL_TYPE_INTEGER, V4L2_CTRL_WHICH_CUR_VAL, V4L2_CTRL_WHICH_DEF_VAL,
    V4l2Control, V4l2EventCtrl, V4l2ExtControl, V4l2ExtControls, V4l2QueryExtCtrl, V4l2Queryctrl,
};
use vloopback_core::{LoopbackControl, SLIDERS, Slider};
use vloopback_ioctl::{Answer, ControlList, Errno};

/// The controls that a request sets: bit k is the k-th of a picture on the board, bit [`LOOPBACK`] + k the k-th of
/// v4l2loopback's.
pub(super) type Which = u32;

/// Where v4l2loopback's controls begin in a [`Which`].
pub(super) const LOOPBACK: u32 = 8;

/// The values of a pipe's controls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Values {
    pub(super) picture: VideoPicture,
    /// v4l2loopback's, in the order of their ids.
    pub(super) settings: [u32; LoopbackControl::ALL.len()],
}

impl Values {
    fn get(&mut self, id: u32) -> i32 {
        match LoopbackControl::of(id) {
            Some(control) => self.settings[control as usize] as i32,
            None => field(&mut self.picture, id).map_or(0, |value| i32::from(*value)),
        }
    }
}

/// A control as programs are told of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Control {
    id: u32,
    name: &'static str,
    type_: u32,
    flags: u32,
    maximum: i32,
    default: i32,
}

const CLASS: Control = Control {
    id: V4L2_CID_USER_CLASS,
    name: "User Controls",
    type_: V4L2_CTRL_TYPE_CTRL_CLASS,
    flags: V4L2_CTRL_FLAG_READ_ONLY | V4L2_CTRL_FLAG_WRITE_ONLY,
    maximum: 0,
    default: 0,
};

const fn control(slider: &Slider) -> Control {
    let (id, name) = (slider.id, slider.name);
    let (type_, flags) = (V4L2_CTRL_TYPE_INTEGER, V4L2_CTRL_FLAG_SLIDER);
    Control { id, name, type_, flags, maximum: Slider::MAX as i32, default: Slider::DEFAULT as i32 }
}

const fn loopback(control: LoopbackControl) -> Control {
    let (type_, flags, maximum) = match control {
        LoopbackControl::KeepFormat | LoopbackControl::SustainFramerate => (V4L2_CTRL_TYPE_BOOLEAN, 0, 1),
        LoopbackControl::Timeout => (V4L2_CTRL_TYPE_INTEGER, 0, control.most() as i32),
        LoopbackControl::TimeoutImageIo => {
            (V4L2_CTRL_TYPE_BUTTON, V4L2_CTRL_FLAG_WRITE_ONLY | V4L2_CTRL_FLAG_EXECUTE_ON_WRITE, 0)
        }
    };
    Control { id: control.id(), name: control.name(), type_, flags, maximum, default: 0 }
}

const COUNT: usize = 1 + SLIDERS.len() + LoopbackControl::ALL.len();

/// The class, the sliders of a picture, and v4l2loopback's, in the order of their ids.
const CONTROLS: [Control; COUNT] = {
    let mut all = [CLASS; COUNT];
    let mut k = 0;
    while k < SLIDERS.len() {
        all[k + 1] = control(&SLIDERS[k]);
        k += 1;
    }
    let mut k = 0;
    while k < LoopbackControl::ALL.len() {
        all[1 + SLIDERS.len() + k] = loopback(LoopbackControl::ALL[k]);
        k += 1;
    }
    all
};

/// v4l2loopback's control of an id, also of one as old programs count a driver's own: V4L2_CID_PRIVATE_BASE, and on from
/// there. v4l2loopback-ctl finds them so.
pub(super) fn of_loopback(id: u32) -> Option<LoopbackControl> {
    let private = id.checked_sub(V4L2_CID_PRIVATE_BASE).and_then(|k| LoopbackControl::ALL.get(k as usize));
    LoopbackControl::of(id).or(private.copied())
}

/// What the event of a control tells. None: there is no such control.
pub(super) fn event(id: u32, changes: u32, value: u32) -> Option<V4l2EventCtrl> {
    let control = valued(id).ok()?;
    let mut told = V4l2EventCtrl {
        changes,
        type_: control.type_,
        flags: control.flags,
        minimum: 0,
        maximum: control.maximum,
        step: 1,
        default_value: control.default,
        ..V4l2EventCtrl::default()
    };
    told.set_value(value as i32);
    Some(told)
}

/// The picture's field that a control is.
pub(super) fn field(picture: &mut VideoPicture, id: u32) -> Option<&mut u16> {
    Some(match id {
        V4L2_CID_BRIGHTNESS => &mut picture.brightness,
        V4L2_CID_CONTRAST => &mut picture.contrast,
        V4L2_CID_SATURATION => &mut picture.colour,
        V4L2_CID_HUE => &mut picture.hue,
        V4L2_CID_WHITENESS => &mut picture.whiteness,
        _ => return None,
    })
}

/// The control of an id, or with a flag the next one after it.
///
/// # Errors
/// EINVAL: there is none.
fn find(asked: u32) -> Answer<&'static Control> {
    let id = asked & V4L2_CTRL_ID_MASK;
    let found = if asked & V4L2_CTRL_FLAG_NEXT_CTRL != 0 {
        CONTROLS.iter().find(|control| control.id > id)
    } else if asked & V4L2_CTRL_FLAG_NEXT_COMPOUND != 0 {
        // None has a value of several parts.
        None
    } else {
        let id = of_loopback(id).map_or(id, LoopbackControl::id);
        CONTROLS.iter().find(|control| control.id == id)
    };
    found.ok_or(Errno::EINVAL)
}

/// The control of an id that has a value.
///
/// # Errors
/// EINVAL: there is none. EACCES: it is a class, a name that is neither read nor set.
fn valued(id: u32) -> Answer<&'static Control> {
    let control =
        find(id & V4L2_CTRL_ID_MASK).ok().filter(|_| id & !V4L2_CTRL_ID_MASK == 0).ok_or(Errno::EINVAL)?;
    if control.type_ == V4L2_CTRL_TYPE_CTRL_CLASS { Err(Errno::EACCES) } else { Ok(control) }
}

/// The id by which a control was found: an old one stays.
fn told_id(asked: u32, control: &Control) -> u32 {
    if (V4L2_CID_PRIVATE_BASE..=V4L2_CTRL_ID_MASK).contains(&asked) { asked } else { control.id }
}

pub(super) fn query(asked: u32) -> Answer<V4l2Queryctrl> {
    let control = find(asked)?;
    Ok(V4l2Queryctrl {
        id: told_id(asked, control),
        type_: control.type_,
        name: text::field(control.name),
        minimum: 0,
        maximum: control.maximum,
        step: i32::from(control.maximum != 0),
        default_value: control.default,
        flags: control.flags,
        ..V4l2Queryctrl::default()
    })
}

pub(super) fn query_ext(asked: u32) -> Answer<V4l2QueryExtCtrl> {
    let control = find(asked)?;
    Ok(V4l2QueryExtCtrl {
        id: told_id(asked, control),
        type_: control.type_,
        name: text::field(control.name),
        minimum: 0,
        maximum: control.maximum.into(),
        step: u64::from(control.maximum != 0),
        default_value: control.default.into(),
        flags: control.flags,
        elem_size: 4,
        elems: 1,
        ..V4l2QueryExtCtrl::default()
    })
}

/// A control that has a value to be read.
///
/// # Errors
/// As [`valued`]; EACCES: it can only be set.
fn readable(id: u32) -> Answer<&'static Control> {
    valued(id).and_then(|control| match control.flags & V4L2_CTRL_FLAG_WRITE_ONLY {
        0 => Ok(control),
        _ => Err(Errno::EACCES),
    })
}

/// G_CTRL.
pub(super) fn get(asked: V4l2Control, values: impl FnOnce() -> Answer<Values>) -> Answer<V4l2Control> {
    let id = readable(asked.id)?.id;
    let value = values()?.get(id);
    Ok(V4l2Control { id: asked.id, value })
}

/// S_CTRL, on values that then are to be set. Returns the value that the control gets, and which one it is.
pub(super) fn put(asked: V4l2Control, values: &mut Values) -> Answer<(V4l2Control, Which)> {
    let control = valued(asked.id)?;
    let value = asked.value.clamp(0, control.maximum);
    let which = match LoopbackControl::of(control.id) {
        Some(setting) => {
            // A button has no value; v4l2loopback's README has it that 0 takes it back.
            let pressed = control.type_ == V4L2_CTRL_TYPE_BUTTON && asked.value != 0;
            values.settings[setting as usize] = if pressed { 1 } else { value as u32 };
            1 << (LOOPBACK + setting as u32)
        }
        None => Slider::of(control.id).map_or(0, |slider| 1 << slider.place),
    };
    if let Some(field) = field(&mut values.picture, control.id) {
        *field = value as u16;
    }
    Ok((V4l2Control { id: asked.id, value }, which))
}

/// Whether an S_CTRL may be tried at all, before a pusher is asked.
pub(super) fn check_control(asked: &V4l2Control) -> Answer<()> {
    valued(asked.id).map(drop)
}

/// What a list asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Want {
    Get,
    Set,
    Try,
}

/// The checks of a list that come before any value is looked at. True: there is nothing to do.
fn check_list(head: &mut V4l2ExtControls, list: &dyn ControlList, want: Want) -> Answer<bool> {
    head.error_idx = head.count;
    let class = match head.which {
        V4L2_CTRL_WHICH_CUR_VAL => None,
        V4L2_CTRL_WHICH_DEF_VAL if want == Want::Get => None,
        V4L2_CTRL_CLASS_USER => Some(V4L2_CTRL_CLASS_USER),
        // Of another class there is none; nor are there requests.
        _ => return Err(Errno::EINVAL),
    };
    for index in 0..list.len() {
        let control = list.get(index)?;
        if want == Want::Try {
            head.error_idx = index as u32;
        }
        // Old ids of a driver's own controls are none in lists.
        let is_old = control.id & V4L2_CTRL_ID_MASK >= V4L2_CID_PRIVATE_BASE;
        if is_old || class.is_some_and(|class| control.id & 0x0fff_0000 != class) {
            return Err(Errno::EINVAL);
        }
        if want == Want::Get {
            readable(control.id)?
        } else {
            valued(control.id)?
        };
    }
    head.error_idx = head.count;
    Ok(list.is_empty())
}

/// Whether a list names v4l2loopback's controls, and whether it names others.
pub(super) fn names(list: &dyn ControlList) -> (bool, bool) {
    let ids = (0..list.len()).filter_map(|index| list.get(index).ok()).map(|control| control.id);
    ids.fold((false, false), |(own, other), id| match LoopbackControl::of(id) {
        Some(_) => (true, other),
        None => (own, true),
    })
}

/// G_EXT_CTRLS, S_EXT_CTRLS, TRY_EXT_CTRLS. `values` gives those in force, `set` sets some of them.
pub(super) fn serve(
    head: &mut V4l2ExtControls,
    list: &mut dyn ControlList,
    want: Want,
    values: impl FnOnce() -> Answer<Values>,
    set: impl FnOnce(Values, Which) -> Answer<()>,
) -> Answer<()> {
    if check_list(head, list, want)? {
        return Ok(());
    }
    let defaults = head.which == V4L2_CTRL_WHICH_DEF_VAL;
    let mut values = if defaults || want == Want::Try { Values::default() } else { values()? };
    let mut all = 0;
    for index in 0..list.len() {
        let mut control: V4l2ExtControl = list.get(index)?;
        // The program may have changed its list since it was checked.
        let known = valued(control.id)?;
        let value = match want {
            Want::Get if defaults => known.default,
            Want::Get => values.get(known.id),
            Want::Set | Want::Try => {
                let asked = V4l2Control { id: known.id, value: control.value() };
                let (told, which) = put(asked, &mut values)?;
                all |= which;
                told.value
            }
        };
        control.size = 0;
        control.set_value(value);
        list.set(index, control)?;
    }
    if want == Want::Set { set(values, all) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A list in the test's own memory.
    struct List(Vec<V4l2ExtControl>);

    impl ControlList for List {
        fn len(&self) -> usize {
            self.0.len()
        }

        fn get(&self, index: usize) -> Answer<V4l2ExtControl> {
            self.0.get(index).copied().ok_or(Errno::EINVAL)
        }

        fn set(&mut self, index: usize, control: V4l2ExtControl) -> Answer<()> {
            *self.0.get_mut(index).ok_or(Errno::EINVAL)? = control;
            Ok(())
        }
    }

    fn list(controls: &[(u32, i32)]) -> List {
        let make = |&(id, value): &(u32, i32)| {
            let mut control = V4l2ExtControl { id, ..V4l2ExtControl::default() };
            control.set_value(value);
            control
        };
        List(controls.iter().map(make).collect())
    }

    fn head(which: u32, list: &List) -> V4l2ExtControls {
        V4l2ExtControls { which, count: list.len() as u32, error_idx: 77, ..V4l2ExtControls::default() }
    }

    const NOW: VideoPicture =
        VideoPicture { brightness: 1, hue: 2, colour: 3, contrast: 4, whiteness: 5, depth: 16, palette: 8 };

    const VALUES: Values = Values { picture: NOW, settings: [1, 0, 3000, 0] };

    /// What was set, and which of it.
    type Set = Option<(Values, Which)>;

    /// Runs a list; returns its answer, `error_idx`, the values, and what was set.
    fn run(which: u32, want: Want, asked: &[(u32, i32)]) -> (Answer<()>, u32, Vec<i32>, Set) {
        let mut list = list(asked);
        let mut head = head(which, &list);
        let mut set = None;
        let answer = serve(
            &mut head,
            &mut list,
            want,
            || Ok(VALUES),
            |values, which| {
                set = Some((values, which));
                Ok(())
            },
        );
        (answer, head.error_idx, list.0.iter().map(V4l2ExtControl::value).collect(), set)
    }

    #[test]
    fn controls_are_listed_in_the_order_of_their_ids() {
        let mut ids = Vec::new();
        let mut id = 0;
        while let Ok(control) = query(id | V4L2_CTRL_FLAG_NEXT_CTRL) {
            assert_eq!(query_ext(id | V4L2_CTRL_FLAG_NEXT_CTRL).map(|c| c.id), Ok(control.id));
            id = control.id;
            ids.push(id);
        }
        assert_eq!(ids, CONTROLS.iter().map(|c| c.id).collect::<Vec<_>>());
        assert!(ids.is_sorted());
        assert!(query(V4L2_CTRL_FLAG_NEXT_COMPOUND).is_err() && query(V4L2_CID_BRIGHTNESS + 4).is_err());
    }

    #[test]
    fn a_list_is_set_as_a_whole() {
        let (answer, error, values, set) =
            run(V4L2_CTRL_CLASS_USER, Want::Set, &[(V4L2_CID_HUE, 9), (V4L2_CID_BRIGHTNESS, 70_000)]);
        assert_eq!((answer, error, values), (Ok(()), 2, vec![9, 65_535]));
        let rest_stays = VideoPicture { hue: 9, brightness: 65_535, ..NOW };
        assert_eq!(set, Some((Values { picture: rest_stays, ..VALUES }, 0b11)));
        for (bad, errno) in [(V4L2_CID_BRIGHTNESS + 4, Errno::EINVAL), (V4L2_CID_USER_CLASS, Errno::EACCES)] {
            let asked = [(V4L2_CID_HUE, 9), (bad, 1)];
            let (answer, error, _, set) = run(0, Want::Set, &asked);
            assert_eq!((answer, error, set), (Err(errno), 2, None), "not even the first");
            assert_eq!(run(0, Want::Try, &asked).1, 1, "TRY tells which");
        }
    }

    #[test]
    fn values_are_read() {
        let all = [(V4L2_CID_BRIGHTNESS, 0), (V4L2_CID_SATURATION, 0), (V4L2_CID_WHITENESS, 0)];
        assert_eq!(run(0, Want::Get, &all).2, [1, 3, 5]);
        assert_eq!(run(V4L2_CTRL_WHICH_DEF_VAL, Want::Get, &all).2, [0x8000; 3]);
        assert_eq!(run(V4L2_CTRL_WHICH_DEF_VAL, Want::Set, &all).0, Err(Errno::EINVAL));
        assert_eq!(run(0x9a_0000, Want::Get, &[]).0, Err(Errno::EINVAL), "no such class");
        assert_eq!(run(V4L2_CTRL_CLASS_USER, Want::Get, &[]).0, Ok(()));
        let one = V4l2Control { id: V4L2_CID_CONTRAST, value: 0 };
        assert_eq!(get(one, || Ok(VALUES)).map(|c| c.value), Ok(4));
        assert_eq!(get(V4l2Control { id: V4L2_CID_USER_CLASS, value: 0 }, || Ok(VALUES)), Err(Errno::EACCES));
    }

    #[test]
    fn v4l2loopbacks_controls_have_its_numbers_and_old_ones() {
        let ids = LoopbackControl::ALL.map(LoopbackControl::id);
        assert_eq!(ids, [0x98_f900, 0x98_f901, 0x98_f902, 0x98_f903]);
        for (k, control) in LoopbackControl::ALL.iter().enumerate() {
            let old = V4L2_CID_PRIVATE_BASE + k as u32;
            for id in [control.id(), old] {
                let told = query(id).expect("it is there");
                assert_eq!((told.id, text::text(&told.name)), (id, control.name()));
            }
        }
        assert!(query(V4L2_CID_PRIVATE_BASE + 4).is_err());
        assert_eq!(run(0, Want::Get, &[(ids[0], 0), (ids[2], 0)]).2, [1, 3000]);
        assert_eq!(run(0, Want::Get, &[(ids[3], 0)]).0, Err(Errno::EACCES), "a button has no value");
        assert_eq!(run(0, Want::Get, &[(V4L2_CID_PRIVATE_BASE, 0)]).0, Err(Errno::EINVAL));
        let set = run(0, Want::Set, &[(ids[1], 7), (ids[2], 200_000), (ids[3], 1)]);
        let settings = [1, 1, 100_000, 1];
        assert_eq!(
            (set.2, set.3),
            (vec![1, 100_000, 0], Some((Values { settings, ..VALUES }, 0b1110 << LOOPBACK)))
        );
        let old = V4l2Control { id: V4L2_CID_PRIVATE_BASE + 2, value: 5 };
        let mut values = VALUES;
        assert_eq!(put(old, &mut values), Ok((old, 0b100 << LOOPBACK)));
        assert_eq!(values.settings[2], 5);
    }
}

//! The device that the target's requests end at.

use vloopback_abi::v4l2::{
    V4l2Audio, V4l2Buffer, V4l2Capability, V4l2Control, V4l2CreateBuffers, V4l2Crop, V4l2Cropcap, V4l2Event,
    V4l2EventSubscription, V4l2Exportbuffer, V4l2ExtControls, V4l2Fmtdesc, V4l2Format, V4l2Frequency,
    V4l2FrequencyBand, V4l2Frmivalenum, V4l2Frmsizeenum, V4l2Input, V4l2Output, V4l2QueryExtCtrl,
    V4l2Queryctrl, V4l2Querymenu, V4l2Requestbuffers, V4l2Selection, V4l2Standard, V4l2Streamparm, V4l2Tuner,
};
use vloopback_ioctl::{ControlList, Errno, V4l2Device, V4l2Row};
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// Which requests the device knows.
#[derive(Debug, Clone, Copy)]
pub enum Knows {
    /// All.
    All,
    /// Those of an input.
    Input,
    /// Those of an output.
    Output,
}

/// A device that answers with given bytes or with an error, and remembers what it was given.
#[derive(Debug)]
pub struct Device {
    /// Which requests it knows.
    pub knows: Knows,
    /// What it answers, over and over; nothing: what it was given.
    pub answer: Vec<u8>,
    /// What its handlers fail with.
    pub error: Option<Errno>,
    /// What it does not admit ranked requests with.
    pub refuses: Option<Errno>,
    /// Of a list the control to change.
    pub touch: usize,
    /// How often it was asked to admit a request.
    pub asked: u32,
    /// How many handlers have run.
    pub calls: u32,
    /// The value that it was given, of a list the head and then the controls.
    pub given: Vec<u8>,
}

impl Device {
    fn done(&mut self) -> Result<(), Errno> {
        self.calls += 1;
        self.error.map_or(Ok(()), Err)
    }

    fn take<T: IntoBytes + Immutable>(&mut self, value: T) -> Result<(), Errno> {
        self.given = value.as_bytes().to_vec();
        self.done()
    }

    fn give<T: FromBytes + IntoBytes>(&mut self) -> Result<T, Errno> {
        let mut value = T::new_zeroed();
        let source = if self.answer.is_empty() { &self.given } else { &self.answer };
        for (to, from) in value.as_mut_bytes().iter_mut().zip(source.iter().cycle()) {
            *to = *from;
        }
        self.done().map(|()| value)
    }

    fn list(&mut self, head: &mut V4l2ExtControls, controls: &mut dyn ControlList) -> Result<(), Errno> {
        assert_eq!(head.count as usize, controls.len());
        assert_eq!(controls.get(controls.len()), Err(Errno::EINVAL));
        self.given = head.as_bytes().to_vec();
        for index in 0..controls.len() {
            self.given.extend_from_slice(controls.get(index)?.as_bytes());
        }
        if !controls.is_empty() {
            let index = self.touch % controls.len();
            head.error_idx = index as u32;
            if self.error.is_none() {
                let mut control = controls.get(index)?;
                control.payload = control.payload.map(|byte| !byte);
                controls.set(index, control)?;
            }
        }
        self.done()
    }

    /// Whether there is a handler for the request: not for those that the table refuses.
    pub fn answers(row: &V4l2Row) -> bool {
        METHODS.iter().any(|method| {
            row.name.strip_prefix("VIDIOC_").is_some_and(|name| name.eq_ignore_ascii_case(method))
        })
    }
}

macro_rules! methods {
    ($(get $get:ident: $get_ty:ty;)* $(set $set:ident: $set_ty:ty;)* $(exchange $ex:ident: $ex_ty:ty;)*
     $(list $list:ident;)*) => {
        const METHODS: &[&str] = &[
            "log_status", $(stringify!($get),)* $(stringify!($set),)* $(stringify!($ex),)*
            $(stringify!($list),)*
        ];

        impl V4l2Device for Device {
            fn knows(&self, row: &V4l2Row) -> bool {
                match self.knows {
                    Knows::All => true,
                    Knows::Input => row.on_input,
                    Knows::Output => row.on_output,
                }
            }

            fn admit(&mut self, row: &V4l2Row) -> Result<(), Errno> {
                self.asked += 1;
                self.refuses.filter(|_| row.ranked).map_or(Ok(()), Err)
            }

            fn log_status(&mut self) -> Result<(), Errno> {
                self.done()
            }

            $(fn $get(&mut self) -> Result<$get_ty, Errno> { self.give() })*
            $(fn $set(&mut self, value: $set_ty) -> Result<(), Errno> { self.take(value) })*
            $(fn $ex(&mut self, value: $ex_ty) -> Result<$ex_ty, Errno> {
                self.given = value.as_bytes().to_vec();
                self.give()
            })*
            $(fn $list(
                &mut self,
                head: &mut V4l2ExtControls,
                controls: &mut dyn ControlList,
            ) -> Result<(), Errno> {
                self.list(head, controls)
            })*
        }
    };
}

methods! {
    get querycap: V4l2Capability;
    get g_std: u64;
    get g_audio: V4l2Audio;
    get g_input: i32;
    get g_output: i32;
    get querystd: u64;
    get g_priority: u32;
    get dqevent: V4l2Event;
    set streamon: i32;
    set streamoff: i32;
    set s_std: u64;
    set s_tuner: V4l2Tuner;
    set s_audio: V4l2Audio;
    set s_frequency: V4l2Frequency;
    set s_crop: V4l2Crop;
    set s_priority: u32;
    set subscribe_event: V4l2EventSubscription;
    set unsubscribe_event: V4l2EventSubscription;
    exchange enum_fmt: V4l2Fmtdesc;
    exchange g_fmt: V4l2Format;
    exchange s_fmt: V4l2Format;
    exchange reqbufs: V4l2Requestbuffers;
    exchange querybuf: V4l2Buffer;
    exchange qbuf: V4l2Buffer;
    exchange expbuf: V4l2Exportbuffer;
    exchange dqbuf: V4l2Buffer;
    exchange g_parm: V4l2Streamparm;
    exchange s_parm: V4l2Streamparm;
    exchange enumstd: V4l2Standard;
    exchange enuminput: V4l2Input;
    exchange g_ctrl: V4l2Control;
    exchange s_ctrl: V4l2Control;
    exchange g_tuner: V4l2Tuner;
    exchange queryctrl: V4l2Queryctrl;
    exchange querymenu: V4l2Querymenu;
    exchange s_input: i32;
    exchange s_output: i32;
    exchange enumoutput: V4l2Output;
    exchange g_frequency: V4l2Frequency;
    exchange cropcap: V4l2Cropcap;
    exchange g_crop: V4l2Crop;
    exchange try_fmt: V4l2Format;
    exchange enumaudio: V4l2Audio;
    exchange enum_framesizes: V4l2Frmsizeenum;
    exchange enum_frameintervals: V4l2Frmivalenum;
    exchange create_bufs: V4l2CreateBuffers;
    exchange prepare_buf: V4l2Buffer;
    exchange g_selection: V4l2Selection;
    exchange s_selection: V4l2Selection;
    exchange enum_freq_bands: V4l2FrequencyBand;
    exchange query_ext_ctrl: V4l2QueryExtCtrl;
    list g_ext_ctrls;
    list s_ext_ctrls;
    list try_ext_ctrls;
}

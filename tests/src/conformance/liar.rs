//! Transports that lie, so that each rule shows that it can fail.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use super::{Format, Frame, Port, Transport};
use crate::Env;

/// How a transport lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// An output tells another format.
    Format,
    /// One bit of each frame that is taken is wrong.
    Bit,
    /// A frame that is taken lacks its last byte.
    Length,
    /// Of several frames the newest one is given, and the others never.
    Newest,
    /// Sequence numbers have no gaps, where there are any.
    Sequence,
    /// From the tenth on writes are refused, as if there were no room.
    Full,
    /// An output that has just begun gives the frame that was pushed before the last.
    Earlier,
    /// Refusals are hidden: what was asked seems to be done.
    Admit,
    /// In place of an error the last frame is given again.
    Repeat,
    /// An output is always ready.
    Ready,
    /// A wait ends without a frame.
    Impatient,
    /// Only every second frame can be taken.
    Lossy,
}

/// What its ports know of each other.
#[derive(Default)]
struct Memory {
    pushed: Option<Vec<u8>>,
    /// The one before that.
    earlier: Option<Vec<u8>>,
}

/// Another transport, but for one lie.
pub struct Liar<'a> {
    truth: &'a dyn Transport,
    lie: Lie,
    memory: Rc<RefCell<Memory>>,
}

impl Liar<'_> {
    /// `truth`, but for `lie`.
    pub fn new(truth: &dyn Transport, lie: Lie) -> Liar<'_> {
        Liar { truth, lie, memory: Rc::default() }
    }
}

impl Transport for Liar<'_> {
    fn name(&self) -> String {
        format!("{} that lies: {:?}", self.truth.name(), self.lie)
    }

    fn open(&self, env: &Env, node: &str) -> Result<Box<dyn Port>, i32> {
        let port = self.truth.open(env, node)?;
        let memory = self.memory.clone();
        Ok(Box::new(LyingPort { port, lie: self.lie, memory, written: 0, taken: 0, last: None }))
    }
}

struct LyingPort {
    port: Box<dyn Port>,
    lie: Lie,
    memory: Rc<RefCell<Memory>>,
    written: u32,
    taken: u32,
    last: Option<Frame>,
}

impl LyingPort {
    /// What is told of a frame.
    fn told(&mut self, mut frame: Frame) -> Frame {
        match self.lie {
            Lie::Bit => frame.bytes[100] ^= 4,
            Lie::Length => drop(frame.bytes.pop()),
            Lie::Sequence => frame.sequence = frame.sequence.map(|_| self.taken),
            _ => {}
        }
        self.taken += 1;
        self.last = Some(frame.clone());
        frame
    }

    /// What is told of a refusal.
    fn hidden<T>(&self, result: Result<T, i32>, instead: Option<T>) -> Result<T, i32> {
        match (result, instead) {
            (Err(_), Some(instead)) => Ok(instead),
            (result, _) => result,
        }
    }
}

impl Port for LyingPort {
    fn set_format(&mut self, fourcc: &str, width: u32, height: u32) -> Result<Format, i32> {
        let asked = Format { fourcc: fourcc.to_owned(), width, height, sizeimage: 0 };
        let set = self.port.set_format(fourcc, width, height);
        self.hidden(set, (self.lie == Lie::Admit).then_some(asked))
    }

    fn format(&mut self) -> Result<Format, i32> {
        let format = self.port.format()?;
        Ok(if self.lie == Lie::Format { Format { width: format.width + 2, ..format } } else { format })
    }

    fn write(&mut self, frame: &[u8]) -> Result<(), i32> {
        self.written += 1;
        if self.lie == Lie::Full && self.written >= 10 {
            return Err(11);
        }
        let mut memory = self.memory.borrow_mut();
        memory.earlier = memory.pushed.replace(frame.to_vec());
        let written = self.port.write(frame);
        self.hidden(written, (self.lie == Lie::Admit).then_some(()))
    }

    fn start(&mut self) -> Result<(), i32> {
        self.port.start()
    }

    fn begin_take(&mut self) {
        self.port.begin_take();
    }

    fn end_take(&mut self) -> Result<Frame, i32> {
        let taken = self.port.end_take();
        if self.lie == Lie::Impatient {
            return Err(11);
        }
        let again = self.last.clone().filter(|_| self.lie == Lie::Repeat);
        let frame = self.hidden(taken, again)?;
        Ok(self.told(frame))
    }

    fn try_take(&mut self) -> Result<Option<Frame>, i32> {
        if self.lie == Lie::Earlier && self.taken == 0 {
            if let Some(bytes) = self.memory.borrow().earlier.clone() {
                self.taken = 1;
                return Ok(Some(Frame { sequence: Some(0), bytes }));
            }
        }
        let again = self.last.clone().filter(|_| self.lie == Lie::Repeat);
        let taken = self.port.try_take();
        let mut frame = self.hidden(taken, again.map(Some))?;
        if self.lie == Lie::Newest || (self.lie == Lie::Lossy && frame.is_some()) {
            while let Some(next) = self.port.try_take()? {
                frame = Some(next);
                if self.lie == Lie::Lossy {
                    break;
                }
            }
        }
        Ok(frame.map(|frame| self.told(frame)))
    }

    fn ready(&mut self, patience: Duration) -> Result<bool, i32> {
        let ready = self.port.ready(patience)?;
        Ok(ready || self.lie == Lie::Ready)
    }

    fn close(&mut self) -> Result<(), i32> {
        self.port.close()
    }

    fn kill(self: Box<Self>) {
        self.port.kill();
    }
}

//! Transports whose nodes are opened by a program that takes orders.

use std::time::Duration;

use serde_json::Value;

use super::{Format, Frame, Port, Transport};
use crate::{Env, Job, Running};

const EAGAIN: i32 = 11;

/// A transport by its agent.
pub struct Agents {
    name: &'static str,
    start: fn(&Env) -> Job,
}

impl Agents {
    /// `start` gives the command of a new agent that is to find the server of a test.
    pub fn new(name: &'static str, start: fn(&Env) -> Job) -> Agents {
        Agents { name, start }
    }
}

impl Transport for Agents {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn open(&self, env: &Env, node: &str) -> Result<Box<dyn Port>, i32> {
        let mut agent = Agent { program: (self.start)(env).start() };
        agent.program.event("start");
        agent.ask(&format!("open {node}"))?;
        Ok(Box::new(agent))
    }
}

/// A running one.
struct Agent {
    program: Running,
}

impl Agent {
    fn order(&mut self, order: &str) {
        self.program.send(format!("{order}\n").as_bytes());
    }

    fn answer(&mut self) -> Result<Value, i32> {
        let answer = self.program.event("done");
        match answer["errno"].as_i64() {
            Some(0) => Ok(answer),
            errno => Err(errno.and_then(|errno| i32::try_from(errno).ok()).expect("an errno")),
        }
    }

    fn ask(&mut self, order: &str) -> Result<Value, i32> {
        self.order(order);
        self.answer()
    }

    fn ask_format(&mut self, order: &str) -> Result<Format, i32> {
        let told = self.ask(order)?;
        let number = |key: &str| told[key].as_u64().expect("a number");
        Ok(Format {
            fourcc: told["format"].as_str().expect("a name").trim_end().to_owned(),
            width: number("width") as u32,
            height: number("height") as u32,
            sizeimage: number("sizeimage") as usize,
        })
    }
}

fn frame_of(told: &Value) -> Frame {
    let hex = told["bytes"].as_str().expect("bytes").as_bytes();
    let byte =
        |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("digits");
    let sequence = told["sequence"].as_i64().and_then(|sequence| u32::try_from(sequence).ok());
    Frame { sequence, bytes: hex.chunks(2).map(byte).collect() }
}

impl Port for Agent {
    fn set_format(&mut self, fourcc: &str, width: u32, height: u32) -> Result<Format, i32> {
        self.ask_format(&format!("format {fourcc} {width}x{height}"))
    }

    fn format(&mut self) -> Result<Format, i32> {
        self.ask_format("get")
    }

    fn write(&mut self, frame: &[u8]) -> Result<(), i32> {
        let hex: String = frame.iter().map(|byte| format!("{byte:02x}")).collect();
        self.ask(&format!("write {hex}")).map(drop)
    }

    fn start(&mut self) -> Result<(), i32> {
        self.ask("start").map(drop)
    }

    fn begin_take(&mut self) {
        self.order("take wait");
    }

    fn end_take(&mut self) -> Result<Frame, i32> {
        self.answer().map(|told| frame_of(&told))
    }

    fn try_take(&mut self) -> Result<Option<Frame>, i32> {
        match self.ask("take try") {
            Ok(told) => Ok(Some(frame_of(&told))),
            Err(EAGAIN) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    fn ready(&mut self, patience: Duration) -> Result<bool, i32> {
        let told = self.ask(&format!("ready {}", patience.as_millis()))?;
        Ok(told["ready"].as_bool().expect("yes or no"))
    }

    fn close(&mut self) -> Result<(), i32> {
        self.ask("close").map(drop)
    }

    fn kill(mut self: Box<Self>) {
        self.program.kill();
        self.program.finish();
    }
}

//! The rules. Frames are [`pattern`] frames, so that each tells its number and every bit of it is known.

use std::time::Duration;

use super::{Bench, Format, Lie, Outcome, Port, Rule};
use crate::pattern;

const ENOSYS: i32 = 38;
const EBUSY: i32 = 16;
const ENODEV: i32 = 19;
const EIO: i32 = 5;
/// Bytes of a YUV420P frame of 64x48.
const LEN: usize = 64 * 48 * 3 / 2;
/// Long enough for what comes at once on a busy machine.
const SOON: Duration = Duration::from_secs(20);

type Tried = Result<Outcome, String>;
type Opened = Box<dyn Port>;

/// All of them.
pub const RULES: &[Rule] = &[
    Rule {
        name: "formats-agree",
        says: "an output tells the format that was set on the input, before and while frames flow",
        lie: Lie::Format,
        try_on: formats_agree,
    },
    Rule {
        name: "bit-for-bit",
        says: "a frame arrives with every bit as it was pushed, whatever its format",
        lie: Lie::Bit,
        try_on: bit_for_bit,
    },
    Rule {
        name: "bytesused",
        says: "a compressed frame arrives with the length that it was pushed with",
        lie: Lie::Length,
        try_on: bytesused,
    },
    Rule {
        name: "oldest-first",
        says: "a client gets the oldest frame that it has not had",
        lie: Lie::Newest,
        try_on: oldest_first,
    },
    Rule {
        name: "gaps-are-drops",
        says: "sequence numbers count published frames: a gap is as wide as what was missed",
        lie: Lie::Sequence,
        try_on: gaps_are_drops,
    },
    Rule {
        name: "a-slow-client-blocks-nobody",
        says: "a client that takes nothing delays neither the pusher nor another client",
        lie: Lie::Full,
        try_on: slow_client,
    },
    Rule {
        name: "all-clients-see-all-frames",
        says: "clients that keep up miss nothing, however many they are",
        lie: Lie::Lossy,
        try_on: all_see_all,
    },
    Rule {
        name: "present-frame",
        says: "a client that comes sees its pusher's newest frame at once, and none that was pushed before that",
        lie: Lie::Earlier,
        try_on: present_frame,
    },
    Rule {
        name: "nobody-watching",
        says: "while nobody watches, every frame is counted as such, and pushing succeeds",
        lie: Lie::Full,
        try_on: nobody_watching,
    },
    Rule {
        name: "one-pusher",
        says: "while a pusher feeds the pipe another one gets EBUSY, and may take its place when it has closed",
        lie: Lie::Admit,
        try_on: one_pusher,
    },
    Rule {
        name: "a-killed-pusher-frees-the-pipe",
        says: "a pusher that is killed is followed by another at once, whose frames clients go on with",
        lie: Lie::Bit,
        try_on: killed_pusher,
    },
    Rule {
        name: "a-killed-client-leaves-nothing",
        says: "clients that are killed while they hold frames disturb neither the pusher nor other clients",
        lie: Lie::Lossy,
        try_on: killed_client,
    },
    Rule {
        name: "a-wait-ends-with-a-frame",
        says: "a client that waits gets the next frame, whether there is a pusher yet or not",
        lie: Lie::Impatient,
        try_on: wait_ends,
    },
    Rule {
        name: "readiness",
        says: "an output is ready exactly while there is a frame to take",
        lie: Lie::Ready,
        try_on: readiness,
    },
    Rule {
        name: "formats-change-hands",
        says: "the pusher may change its format at any time; a client gets no frame of another format unnoticed",
        lie: Lie::Repeat,
        try_on: format_change,
    },
    Rule {
        name: "a-dead-server",
        says: "when the server is killed all calls give ENODEV, also those that wait",
        lie: Lie::Repeat,
        try_on: dead_server,
    },
];

/// Ends the rule as broken.
macro_rules! must {
    ($fine:expr, $($what:tt)*) => {
        if !$fine {
            return Err(format!($($what)*));
        }
    };
}

/// Ends the rule as unsupported where the transport has no such thing.
macro_rules! supported {
    ($result:expr, $what:expr) => {
        match $result {
            Err(ENOSYS) => return Ok(Outcome::Unsupported),
            result => result.map_err(|errno| format!("{}: errno {errno}", $what))?,
        }
    };
}

fn frame(number: u32) -> Vec<u8> {
    pattern::frame(number, LEN)
}

impl Bench<'_> {
    fn input(&self) -> Result<Opened, String> {
        self.inputs
            .open(&self.env, &self.pipe.input)
            .map_err(|errno| format!("the input opens: errno {errno}"))
    }

    /// A pusher of YUV420P, 64x48.
    fn pusher(&self) -> Result<Opened, String> {
        let mut input = self.input()?;
        input.set_format("YU12", 64, 48).map_err(|errno| format!("the format is set: errno {errno}"))?;
        Ok(input)
    }

    /// An output.
    fn output(&self) -> Result<Opened, String> {
        self.outputs
            .open(&self.env, &self.pipe.output)
            .map_err(|errno| format!("the output opens: errno {errno}"))
    }

    /// One that streams.
    fn client(&self) -> Result<Opened, String> {
        let mut client = self.output()?;
        client.start().map_err(|errno| format!("the stream begins: errno {errno}"))?;
        Ok(client)
    }
}

fn push(pusher: &mut Opened, number: u32) -> Result<(), String> {
    pusher.write(&frame(number)).map_err(|errno| format!("frame {number} is pushed: errno {errno}"))
}

/// The next frame that is there: its number and sequence.
fn take(client: &mut Opened) -> Result<(u32, Option<u32>), String> {
    match client.try_take() {
        Ok(Some(taken)) => Ok((pattern::check(&taken.bytes)?, taken.sequence)),
        Ok(None) => Err("there is no frame".into()),
        Err(errno) => Err(format!("a frame is taken: errno {errno}")),
    }
}

fn expect_frame(client: &mut Opened, number: u32) -> Result<(), String> {
    let (taken, _) = take(client)?;
    must!(taken == number, "frame {taken} where {number} was to come");
    Ok(())
}

fn expect_nothing(client: &mut Opened) -> Result<(), String> {
    match client.try_take() {
        Ok(None) => Ok(()),
        other => Err(format!("nothing was to come: {other:?}")),
    }
}

const FORMATS: &[(&str, u32, u32)] =
    &[("YU12", 64, 48), ("YUYV", 80, 60), ("RGB3", 48, 64), ("GREY", 63, 47), ("NV12", 96, 32)];

fn formats_agree(bench: &mut Bench) -> Tried {
    for &(fourcc, width, height) in FORMATS {
        let mut input = bench.input()?;
        let set =
            input.set_format(fourcc, width, height).map_err(|errno| format!("{fourcc}: errno {errno}"))?;
        must!(
            (set.fourcc.as_str(), set.width, set.height) == (fourcc, width, height),
            "{fourcc} {width}x{height} becomes {set:?}"
        );
        let mut output = bench.output()?;
        let before: Format = supported!(output.format(), "G_FMT");
        must!(before == set, "the output says {before:?}, the input {set:?}");
        output.start().map_err(|errno| format!("the stream begins: errno {errno}"))?;
        input
            .write(&pattern::frame(1, set.sizeimage))
            .map_err(|errno| format!("a frame of {fourcc}: errno {errno}"))?;
        let now = supported!(output.format(), "G_FMT");
        must!(now == set, "the output says {now:?} while frames flow, the input {set:?}");
        input.close().map_err(|errno| format!("close: errno {errno}"))?;
    }
    Ok(Outcome::Kept)
}

fn bit_for_bit(bench: &mut Bench) -> Tried {
    for &(fourcc, width, height) in FORMATS {
        let mut input = bench.input()?;
        let set =
            input.set_format(fourcc, width, height).map_err(|errno| format!("{fourcc}: errno {errno}"))?;
        let mut client = bench.client()?;
        for number in 0..5 {
            let pushed = pattern::frame(number, set.sizeimage);
            input.write(&pushed).map_err(|errno| format!("{fourcc}: errno {errno}"))?;
            let taken = client.try_take().map_err(|errno| format!("{fourcc}: errno {errno}"))?;
            must!(
                taken.is_some_and(|taken| taken.bytes == pushed),
                "{fourcc}: frame {number} as it was pushed"
            );
        }
        input.close().map_err(|errno| format!("close: errno {errno}"))?;
    }
    Ok(Outcome::Kept)
}

fn bytesused(bench: &mut Bench) -> Tried {
    let mut input = bench.input()?;
    let set = input.set_format("MJPG", 64, 48).map_err(|errno| format!("MJPG: errno {errno}"))?;
    let mut client = bench.client()?;
    for (number, len) in [(0, 200), (1, 1001), (2, 128), (3, set.sizeimage.min(4000)), (4, 129)] {
        let pushed = pattern::frame(number, len);
        input.write(&pushed).map_err(|errno| format!("{len} bytes: errno {errno}"))?;
        let taken = client.try_take().map_err(|errno| format!("{len} bytes: errno {errno}"))?;
        let Some(taken) = taken else { return Err(format!("{len} bytes do not come")) };
        must!(taken.bytes == pushed, "{} bytes where {len} were pushed", taken.bytes.len());
    }
    Ok(Outcome::Kept)
}

fn oldest_first(bench: &mut Bench) -> Tried {
    let mut pusher = bench.pusher()?;
    let mut client = bench.client()?;
    for round in 0..10 {
        // As many as every ring holds beside the one that is being written.
        push(&mut pusher, 2 * round)?;
        push(&mut pusher, 2 * round + 1)?;
        expect_frame(&mut client, 2 * round)?;
        expect_frame(&mut client, 2 * round + 1)?;
        expect_nothing(&mut client)?;
    }
    Ok(Outcome::Kept)
}

fn gaps_are_drops(bench: &mut Bench) -> Tried {
    let mut pusher = bench.pusher()?;
    let mut client = bench.client()?;
    let mut number = 0;
    let mut last: Option<(u32, u32)> = None;
    for burst in [1, 2, 40, 1, 3, 100, 1] {
        for _ in 0..burst {
            push(&mut pusher, number)?;
            number += 1;
        }
        while let Some(taken) = client.try_take().map_err(|errno| format!("a frame: errno {errno}"))? {
            let of = pattern::check(&taken.bytes)?;
            let Some(sequence) = taken.sequence else { return Ok(Outcome::Unsupported) };
            if let Some((last_of, last_sequence)) = last {
                must!(of > last_of, "frame {of} after {last_of}");
                let (missed, gap) = (of - last_of, sequence.wrapping_sub(last_sequence));
                must!(
                    missed == gap,
                    "frames {last_of} and {of} have the numbers {last_sequence} and {sequence}"
                );
            } else {
                must!(sequence == 0, "the first one has number {sequence}");
            }
            last = Some((of, sequence));
        }
        must!(last.is_some_and(|(of, _)| of + 1 == number), "the newest one comes: {last:?} of {number}");
    }
    Ok(Outcome::Kept)
}

fn slow_client(bench: &mut Bench) -> Tried {
    let mut pusher = bench.pusher()?;
    let (mut slow, mut quick) = (bench.client()?, bench.client()?);
    push(&mut pusher, 0)?;
    expect_frame(&mut slow, 0)?;
    expect_frame(&mut quick, 0)?;
    for number in 1..200 {
        push(&mut pusher, number)?;
        expect_frame(&mut quick, number)?;
    }
    let (number, _) = take(&mut slow)?;
    must!((1..200).contains(&number), "the slow one goes on with a frame that there still is: {number}");
    Ok(Outcome::Kept)
}

fn all_see_all(bench: &mut Bench) -> Tried {
    let mut pusher = bench.pusher()?;
    let mut clients: Vec<Opened> = (0..5).map(|_| bench.client()).collect::<Result<_, _>>()?;
    for number in 0..40 {
        push(&mut pusher, 2 * number)?;
        push(&mut pusher, 2 * number + 1)?;
        for client in &mut clients {
            expect_frame(client, 2 * number)?;
            expect_frame(client, 2 * number + 1)?;
        }
    }
    Ok(Outcome::Kept)
}

fn present_frame(bench: &mut Bench) -> Tried {
    let mut pusher = bench.pusher()?;
    let mut first = bench.client()?;
    for number in 0..3 {
        push(&mut pusher, number)?;
        expect_frame(&mut first, number)?;
    }
    let mut late = bench.client()?;
    expect_frame(&mut late, 2)?;
    expect_nothing(&mut late)?;
    push(&mut pusher, 3)?;
    expect_frame(&mut late, 3)?;
    expect_frame(&mut first, 3)?;
    Ok(Outcome::Kept)
}

fn nobody_watching(bench: &mut Bench) -> Tried {
    let mut pusher = bench.pusher()?;
    for number in 0..50 {
        push(&mut pusher, number)?;
    }
    let list =
        bench.env.own("vloopback").args(["list", "--json", "--socket"]).arg(bench.env.socket()).output();
    let list: serde_json::Value =
        serde_json::from_str(&list.ok().text()).map_err(|error| error.to_string())?;
    let counters = &list[0]["counters"];
    must!(counters["written"] == 50 && counters["unwatched"] == 50, "50 are counted: {counters}");
    // And then somebody does.
    let mut client = bench.client()?;
    // On a machine that is slow the pusher is, and its newest frame is kept.
    match client.try_take() {
        Ok(None) => {}
        Ok(Some(kept)) => must!(pattern::number(&kept.bytes) == Some(49), "an older frame"),
        Err(errno) => return Err(format!("nothing was to come, or the newest frame: errno {errno}")),
    }
    push(&mut pusher, 50)?;
    expect_frame(&mut client, 50)?;
    Ok(Outcome::Kept)
}

fn one_pusher(bench: &mut Bench) -> Tried {
    let mut first = bench.pusher()?;
    let mut client = bench.client()?;
    push(&mut first, 0)?;
    let mut second = match bench.inputs.open(&bench.env, &bench.pipe.input) {
        Ok(second) => Some(second),
        // Where opening claims.
        Err(EBUSY) => None,
        Err(errno) => return Err(format!("a second one opens: errno {errno}")),
    };
    if let Some(second) = &mut second {
        let set = second.set_format("YU12", 128, 96);
        must!(set == Err(EBUSY), "a second one sets a format: {set:?}");
        let written = second.write(&frame(7));
        must!(written.is_err(), "a second one pushes: {written:?}");
    }
    push(&mut first, 1)?;
    expect_frame(&mut client, 0)?;
    expect_frame(&mut client, 1)?;
    expect_nothing(&mut client)?;
    first.close().map_err(|errno| format!("close: errno {errno}"))?;
    let mut second = match second {
        Some(second) => second,
        None => bench.input()?,
    };
    second.set_format("YU12", 64, 48).map_err(|errno| format!("its turn: errno {errno}"))?;
    push(&mut second, 2)?;
    expect_frame(&mut client, 2)?;
    Ok(Outcome::Kept)
}

fn killed_pusher(bench: &mut Bench) -> Tried {
    let mut client: Option<Opened> = None;
    for round in 0..10 {
        let mut pusher = bench.pusher()?;
        let client = match &mut client {
            Some(client) => client,
            none => none.insert(bench.client()?),
        };
        for number in 10 * round..10 * round + round % 4 {
            push(&mut pusher, number)?;
            expect_frame(client, number)?;
        }
        pusher.kill();
        expect_nothing(client)?;
    }
    Ok(Outcome::Kept)
}

fn killed_client(bench: &mut Bench) -> Tried {
    let mut pusher = bench.pusher()?;
    let mut other = bench.client()?;
    let mut number = 0;
    for round in 0..10 {
        let mut victim = bench.client()?;
        for _ in 0..2 {
            push(&mut pusher, number)?;
            push(&mut pusher, number + 1)?;
            expect_frame(&mut other, number)?;
            expect_frame(&mut other, number + 1)?;
            number += 2;
        }
        if round % 2 == 0 {
            victim.begin_take();
        }
        victim.kill();
    }
    Ok(Outcome::Kept)
}

fn wait_ends(bench: &mut Bench) -> Tried {
    // The format, and nobody who feeds.
    bench.pusher()?.close().map_err(|errno| format!("close: errno {errno}"))?;
    let mut client = bench.client()?;
    for number in 0..5 {
        client.begin_take();
        let mut pusher = bench.pusher()?;
        push(&mut pusher, number)?;
        let taken = client.end_take().map_err(|errno| format!("a wait ends with errno {errno}"))?;
        must!(pattern::check(&taken.bytes)? == number, "frame {number} ends the wait");
        pusher.close().map_err(|errno| format!("close: errno {errno}"))?;
    }
    Ok(Outcome::Kept)
}

fn readiness(bench: &mut Bench) -> Tried {
    let mut pusher = bench.pusher()?;
    let mut client = bench.client()?;
    for number in 0..10 {
        let before = supported!(client.ready(Duration::ZERO), "poll");
        must!(!before, "ready before frame {number}");
        push(&mut pusher, number)?;
        let now = supported!(client.ready(SOON), "poll");
        must!(now, "ready for frame {number}");
        expect_frame(&mut client, number)?;
    }
    let end = supported!(client.ready(Duration::ZERO), "poll");
    must!(!end, "ready after the last frame");
    Ok(Outcome::Kept)
}

fn format_change(bench: &mut Bench) -> Tried {
    let mut pusher = bench.pusher()?;
    let mut client = bench.client()?;
    push(&mut pusher, 0)?;
    expect_frame(&mut client, 0)?;
    pusher.close().map_err(|errno| format!("close: errno {errno}"))?;
    let mut pusher = bench.input()?;
    let set = pusher.set_format("RGB3", 80, 60);
    let set = set.map_err(|errno| format!("clients are no reason to refuse a format: errno {errno}"))?;
    let pushed = pattern::frame(1, set.sizeimage);
    pusher.write(&pushed).map_err(|errno| format!("nor a frame: errno {errno}"))?;
    match client.try_take() {
        Err(EIO) => {}
        // One that follows the format tells of it.
        Ok(Some(taken)) => {
            must!(
                taken.bytes == pushed,
                "the stream of another format has ended, and gives {} bytes",
                taken.bytes.len()
            );
            let now = supported!(client.format(), "G_FMT");
            must!(now == set, "frames of {set:?} and a format of {now:?}");
        }
        other => return Err(format!("a stream of another format gives {other:?}")),
    }
    // Whoever begins now has the new one.
    let mut fresh = bench.client()?;
    let taken = fresh.try_take().map_err(|errno| format!("a new client: errno {errno}"))?;
    must!(taken.is_none_or(|taken| taken.bytes == pushed), "a new client gets the frame that is there");
    let pushed = pattern::frame(2, set.sizeimage);
    pusher.write(&pushed).map_err(|errno| format!("a frame: errno {errno}"))?;
    let taken = fresh.try_take().map_err(|errno| format!("a new client: errno {errno}"))?;
    must!(taken.is_some_and(|taken| taken.bytes == pushed), "a new client gets the new frames");
    Ok(Outcome::Kept)
}

fn dead_server(bench: &mut Bench) -> Tried {
    let mut pusher = bench.pusher()?;
    let (mut waits, mut polls) = (bench.client()?, bench.client()?);
    push(&mut pusher, 0)?;
    expect_frame(&mut waits, 0)?;
    expect_frame(&mut polls, 0)?;
    waits.begin_take();
    bench.env.kill_daemon();
    let taken = waits.end_take();
    must!(taken == Err(ENODEV), "who waits gets ENODEV, not {taken:?}");
    let taken = polls.try_take();
    must!(taken == Err(ENODEV), "who asks gets ENODEV, not {taken:?}");
    let written = pusher.write(&frame(1));
    must!(written == Err(ENODEV), "a pusher gets ENODEV, not {written:?}");
    Ok(Outcome::Kept)
}

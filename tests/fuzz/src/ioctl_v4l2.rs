//! A program's ioctl of today's API. What must come of it is worked out here a second time, from the
//! table's columns and the V4L2 specification, and compared byte by byte.

mod device;
mod expected;
mod narrow;

use arbitrary::Unstructured;
use vloopback_ioctl::{
    Abi, BufferMemory, Direction, Errno, V4L2, V4l2Request, V4l2Row, dispatch_v4l2, request_number,
};

use device::{Device, Knows};
use narrow::Shape;

/// A call as a program makes it.
struct Call {
    abi: Abi,
    request: u64,
    base: usize,
    arg: usize,
    memory: Vec<u8>,
    device: Device,
}

fn call(u: &mut Unstructured<'_>) -> arbitrary::Result<Call> {
    let abi = if u.arbitrary()? { Abi::Lp64 } else { Abi::Ilp32 };
    let row = u.choose(V4L2)?;
    // Mostly a number of the ABI's own.
    let number = match (abi, u.int_in_range(0..=7)?) {
        (_, 0) => row.lp64,
        (_, 1) | (Abi::Ilp32, 2..=4) => row.ilp32,
        (_, 2) | (Abi::Ilp32, _) => row.ilp32_time64,
        _ => row.lp64,
    };
    let request = match u.int_in_range(0..=3)? {
        0 => u.arbitrary()?,
        // One that went through an int, and one with anything in its upper half.
        1 => u64::from(number) | 0xffff_ffff_0000_0000,
        2 => u64::from(number) | u64::from(u.arbitrary::<u32>()?) << 32,
        _ => u64::from(number),
    };
    let answer_len = if u.arbitrary()? { usize::from(u.arbitrary::<u8>()?).min(u.len()) } else { 0 };
    let device = Device {
        // ENOTTY counts as unknown even when a handler says it.
        error: [None, None, Some(Errno::ERANGE), Some(Errno::ENOTTY)][u.int_in_range(0..=3)?],
        refuses: if u.arbitrary()? { None } else { Some(Errno::EBUSY) },
        knows: *u.choose(&[Knows::All, Knows::Input, Knows::Output])?,
        touch: u.arbitrary::<u8>()?.into(),
        answer: u.bytes(answer_len)?.to_vec(),
        asked: 0,
        calls: 0,
        given: Vec::new(),
    };
    let offset = usize::from(u.arbitrary::<u8>()?);
    let anywhere = u.ratio(1u8, 8u8)?;
    let (base, arg): (usize, usize) = (u.arbitrary()?, u.arbitrary()?);
    let plant: u8 = u.arbitrary()?;
    let mut memory = u.bytes(u.len())?.to_vec();
    // Memory that ends with the address space or before.
    let base = base.min(usize::MAX - memory.len());
    if plant & 1 != 0 {
        let narrow = number != row.lp64;
        plant_sense(row, narrow, plant >> 1, base, memory.get_mut(offset..).unwrap_or_default());
    }
    let arg = if anywhere { arg } else { base.wrapping_add(offset) };
    Ok(Call { abi, request, base, arg, memory, device })
}

/// Makes something of the argument that gets past the first looks: a picture's format with colours that
/// are about the last that there are, or a list of a few controls, or of about as many as there may be.
fn plant_sense(row: &V4l2Row, narrow: bool, how: u8, base: usize, argument: &mut [u8]) {
    let mut put = |at: usize, bytes: &[u8]| {
        if let Some(to) = argument.get_mut(at..at + bytes.len()) {
            to.copy_from_slice(bytes);
        }
    };
    if row.copies_on_error {
        let count = [0, 1, 2, 3, 4, 1023, 1024, 1025][usize::from(how % 8)];
        put(4, &u32::to_ne_bytes(count));
        let array = (base as u64).wrapping_add(how.into()).to_ne_bytes();
        // A 32-bit program's address lies where the other one's padding ends.
        if narrow {
            put(20, &array[..4])
        } else {
            put(24, &array)
        }
        return;
    }
    // Of a 32-bit program, the union of a format is not aligned.
    let (create, pad) = if narrow { (12, 4) } else { (16, 0) };
    let format = if row.argument == "struct v4l2_create_buffers" { create } else { 0 };
    put(format, &u32::from(1 + how % 2).to_ne_bytes());
    if how & 2 != 0 {
        for at in expected::COLOURS {
            put(format + at - pad, &u32::from(how >> 2 & 15).to_ne_bytes());
        }
        put(format + expected::PRIV - pad, &vloopback_abi::v4l2::V4L2_PIX_FMT_PRIV_MAGIC.to_ne_bytes());
    }
}

/// Unknown is ENOTTY and touches nothing; a bad address is EFAULT before the handler is asked where
/// something is read; the handler gets what the program may say and zeros for the rest; only the
/// argument's own bytes change, and all of them, with an error none but a list's.
pub fn check(data: &[u8]) {
    let Ok(mut c) = call(&mut Unstructured::new(data)) else { return };
    let before = c.memory.clone();
    let result = {
        let memory = BufferMemory::new(c.base, &mut c.memory);
        dispatch_v4l2(&mut c.device, &memory, c.abi, c.request, c.arg)
    };
    let seen = Seen { result, asked: c.device.asked, calls: c.device.calls };
    let row = V4l2Request::find(c.request, c.abi).map(V4l2Request::row);
    let known = |row: &&V4l2Row| match c.device.knows {
        Knows::All => true,
        Knows::Input => row.on_input,
        Knows::Output => row.on_output,
    };
    let Some(row) = row.filter(known).filter(|row| Device::answers(row)) else {
        seen.is(Err(Errno::ENOTTY), 0, 0, "an unknown request");
        assert_eq!(c.memory, before);
        return;
    };
    let own = match c.abi {
        Abi::Lp64 => [row.lp64; 2],
        Abi::Ilp32 => [row.ilp32, row.ilp32_time64],
    };
    assert!(own.contains(&request_number(c.request)), "{}", row.name);
    let place = Place { before: &before, base: c.base, start: c.arg.checked_sub(c.base) };
    let shape = Shape::of(row, c.request);
    let memory = match row.copies_on_error {
        true => list(row, &shape, &place, &seen, &c.device),
        false => value(row, &shape, &place, &seen, &c.device),
    };
    let wrong = c.memory.iter().zip(&memory).position(|(is, shall)| is != shall);
    assert_eq!(wrong.map(|at| (at, c.memory[at], memory[at])), None, "{}: place, is, shall be", row.name);
}

/// How a call ended.
struct Seen {
    result: Result<i32, Errno>,
    asked: u32,
    calls: u32,
}

impl Seen {
    fn is(&self, result: Result<i32, Errno>, asked: u32, calls: u32, what: &str) {
        assert_eq!((self.result, self.asked, self.calls), (result, asked, calls), "{what}");
    }
}

/// The program's memory as it was, and where in it the argument is.
struct Place<'a> {
    before: &'a [u8],
    base: usize,
    /// None: below all of the memory.
    start: Option<usize>,
}

impl Place<'_> {
    /// The argument's first bytes, if they are there.
    fn argument(&self, len: usize) -> Option<&[u8]> {
        let start = self.start?;
        self.before.get(start..start.checked_add(len)?)
    }

    /// The memory with these bytes as the argument.
    fn with(&self, bytes: &[u8]) -> Vec<u8> {
        let mut memory = self.before.to_vec();
        let start = self.start.expect("it was there to be read or written");
        memory[start..start + bytes.len()].copy_from_slice(bytes);
        memory
    }

    fn untouched(&self) -> Vec<u8> {
        self.before.to_vec()
    }
}

/// Holds a request with a value of its own to the rules; returns what memory must be.
fn value(row: &V4l2Row, shape: &Shape, place: &Place<'_>, seen: &Seen, device: &Device) -> Vec<u8> {
    let name = row.name;
    let read_len = shape.read_len(row.kept);
    if matches!(row.direction, Direction::Set | Direction::Exchange) && place.argument(read_len).is_none() {
        seen.is(Err(Errno::EFAULT), 0, 0, name);
        return place.untouched();
    }
    if let Some(errno) = device.refuses.filter(|_| row.ranked) {
        seen.is(Err(errno), 1, 0, name);
        return place.untouched();
    }
    match row.direction {
        Direction::Set | Direction::Exchange => {
            let sent = shape.widened(place.argument(read_len).unwrap_or_default(), row.kept);
            assert_eq!(device.given, expected::given(row, &sent), "{name}: what the handler was given");
        }
        Direction::Get | Direction::Plain => assert!(device.given.is_empty()),
    }
    if let Some(errno) = device.error {
        seen.is(Err(errno), 1, 1, name);
        return place.untouched();
    }
    if matches!(row.direction, Direction::Plain | Direction::Set) {
        seen.is(Ok(0), 1, 1, name);
        return place.untouched();
    }
    let source = if device.answer.is_empty() { &device.given } else { &device.answer };
    let mut answer: Vec<u8> = source.iter().copied().cycle().take(row.len()).collect();
    answer.resize(row.len(), 0);
    let Some(answer) = shape.narrowed(expected::answered(row, answer)) else {
        seen.is(Err(Errno::EOVERFLOW), 1, 1, name);
        return place.untouched();
    };
    if place.argument(shape.len()).is_none() {
        seen.is(Err(Errno::EFAULT), 1, 1, name);
        return place.untouched();
    }
    seen.is(Ok(0), 1, 1, name);
    place.with(&answer)
}

/// The same for a request with a list.
fn list(row: &V4l2Row, shape: &Shape, place: &Place<'_>, seen: &Seen, device: &Device) -> Vec<u8> {
    let name = row.name;
    let Some(head) = place.argument(shape.len()) else {
        seen.is(Err(Errno::EFAULT), 0, 0, name);
        return place.untouched();
    };
    let head = shape.widened(head, expected::HEAD_LEN);
    let (count, array) = expected::count_and_array(&head);
    if count > expected::MOST_CONTROLS {
        seen.is(Err(Errno::EINVAL), 0, 0, name);
        return place.untouched();
    }
    let whole = count * expected::CONTROL_LEN;
    let start = usize::try_from(array).ok().and_then(|array| array.checked_sub(place.base));
    let controls = match (count, start) {
        (0, _) => Some(&[][..]),
        (_, None) => None,
        (_, Some(start)) => start.checked_add(whole).and_then(|end| place.before.get(start..end)),
    };
    let Some(controls) = controls else {
        seen.is(Err(Errno::EFAULT), 0, 0, name);
        return place.untouched();
    };
    let entered = expected::entered_head(&head);
    let left = |named| {
        let head = expected::left_head(entered.clone(), named, array);
        shape.narrowed(head).expect("the address is the program's own")
    };
    if let Some(errno) = device.refuses.filter(|_| row.ranked) {
        seen.is(Err(errno), 1, 0, name);
        return place.with(&left(None));
    }
    let given = expected::given_list(&entered, controls, shape.is_narrow());
    assert_eq!(device.given, given, "{name}: what the handler was given");
    seen.is(device.error.map_or(Ok(0), Err), 1, 1, name);
    if device.error == Some(Errno::ENOTTY) {
        return place.untouched();
    }
    let touched = device.touch.checked_rem(count);
    let mut memory = place.untouched();
    if let (Some(touched), None, Some(start)) = (touched, device.error, start) {
        let at = touched * expected::CONTROL_LEN;
        let control = expected::changed_control(&given[expected::HEAD_LEN + at..]);
        memory[start + at..start + at + control.len()].copy_from_slice(&control);
    }
    // The head goes last: it is what remains where the list lies upon it.
    Place { before: &memory, ..*place }.with(&left(touched))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_and_the_device_name_the_same_requests() {
        // Nobody serves what the device here has no handler for.
        let unserved = |row: &&V4l2Row| !Device::answers(row);
        assert!(V4L2.iter().filter(unserved).all(|row| !row.on_input && !row.on_output));
        assert_eq!(V4L2.iter().filter(|row| Device::answers(row) && row.copies_on_error).count(), 3);
    }
}

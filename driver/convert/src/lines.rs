//! Loops over the samples of a line. They are plain, so that the compiler makes vectors of them; whoever calls them has
//! them compiled for the processor's widest ones (see [`crate::wide`]). A result that is longer than what it is made of
//! stays as it was there.

/// Pixels that are worked on at once: few enough for the stack of a signal handler.
pub(crate) const ACROSS: usize = 256;

/// Samples of a part of a line.
pub(crate) type Line = [u8; ACROSS];

/// Of every group of `STEP` bytes the one at `AT`. (Whole words are read where there are some: of single bytes with gaps
/// between them the compiler leaves the last vector to a slow loop.)
#[inline(always)]
pub(crate) fn every<const STEP: usize, const AT: usize>(from: &[u8], into: &mut [u8]) {
    for (into, group) in into.iter_mut().zip(from.chunks_exact(STEP)) {
        *into = match *group {
            [a, b] => (u16::from_le_bytes([a, b]) >> (8 * AT)) as u8,
            [a, b, c, d] => (u32::from_le_bytes([a, b, c, d]) >> (8 * AT)) as u8,
            _ => group[AT],
        };
    }
}

/// Both of every two bytes.
#[inline(always)]
pub(crate) fn split(from: &[u8], one: &mut [u8], other: &mut [u8]) {
    for ((one, other), pair) in one.iter_mut().zip(other).zip(from.chunks_exact(2)) {
        (*one, *other) = (pair[0], pair[1]);
    }
}

/// Both of every two bytes, the second ones of words: their upper eight bits.
#[inline(always)]
pub(crate) fn split_words(from: &[u8], one: &mut [u8], other: &mut [u8]) {
    for ((one, other), pair) in one.iter_mut().zip(other).zip(from.chunks_exact(4)) {
        (*one, *other) = (pair[1], pair[3]);
    }
}

/// Samples of two lines, in turn.
#[inline(always)]
pub(crate) fn join(one: &[u8], other: &[u8], into: &mut [u8]) {
    for ((one, other), pair) in one.iter().zip(other).zip(into.chunks_exact_mut(2)) {
        (pair[0], pair[1]) = (*one, *other);
    }
}

/// Three samples a pixel.
#[inline(always)]
pub(crate) fn split_three(from: &[u8], [one, two, three]: [&mut [u8]; 3]) {
    for (((one, two), three), pixel) in one.iter_mut().zip(two).zip(three).zip(from.chunks_exact(3)) {
        (*one, *two, *three) = (pixel[0], pixel[1], pixel[2]);
    }
}

/// The reverse of [`split_three`].
#[inline(always)]
pub(crate) fn join_three([one, two, three]: [&[u8]; 3], into: &mut [u8]) {
    for (((one, two), three), pixel) in one.iter().zip(two).zip(three).zip(into.chunks_exact_mut(3)) {
        (pixel[0], pixel[1], pixel[2]) = (*one, *two, *three);
    }
}

/// Three of the four bytes of a pixel, by how far each is from the lowest, in bits.
#[inline(always)]
pub(crate) fn split_four(from: &[u8], [one, two, three]: [&mut [u8]; 3], shifts: [u32; 3]) {
    for (((one, two), three), pixel) in one.iter_mut().zip(two).zip(three).zip(from.chunks_exact(4)) {
        let pixel = u32::from_le_bytes([pixel[0], pixel[1], pixel[2], pixel[3]]);
        *one = (pixel >> shifts[0]) as u8;
        *two = (pixel >> shifts[1]) as u8;
        *three = (pixel >> shifts[2]) as u8;
    }
}

/// The reverse of [`split_four`]. The fourth byte is 255.
#[inline(always)]
pub(crate) fn join_four([one, two, three]: [&[u8]; 3], into: &mut [u8], shifts: [u32; 3]) {
    let rest = !(0xff << shifts[0] | 0xff << shifts[1] | 0xff << shifts[2]);
    for (((one, two), three), pixel) in one.iter().zip(two).zip(three).zip(into.chunks_exact_mut(4)) {
        let value =
            u32::from(*one) << shifts[0] | u32::from(*two) << shifts[1] | u32::from(*three) << shifts[2];
        pixel.copy_from_slice(&(value | rest).to_le_bytes());
    }
}

/// Red, green and blue of words. Of 5 bits the upper three are the lower ones, too: all ones are 255.
#[inline(always)]
pub(crate) fn split_short(from: &[u8], [r, g, b]: [&mut [u8]; 3], bits: [u32; 3], big: bool) {
    let wide = |value: u16, shift: u32, bits: u32| {
        let sample = value >> shift & ((1 << bits) - 1);
        (sample << (8 - bits) | sample >> (2 * bits - 8)) as u8
    };
    for (((r, g), b), pixel) in r.iter_mut().zip(g).zip(b).zip(from.chunks_exact(2)) {
        let value = u16::from_le_bytes([pixel[0], pixel[1]]);
        let value = if big { value.swap_bytes() } else { value };
        *r = wide(value, bits[1] + bits[2], bits[0]);
        *g = wide(value, bits[2], bits[1]);
        *b = wide(value, 0, bits[2]);
    }
}

/// The reverse of [`split_short`]: the upper bits of each. A bit that is no colour is 1, as alpha is elsewhere.
#[inline(always)]
pub(crate) fn join_short([r, g, b]: [&[u8]; 3], into: &mut [u8], bits: [u32; 3], big: bool) {
    let all = bits[0] + bits[1] + bits[2];
    let rest = (0xffff_u32 << all) as u16;
    for (((r, g), b), pixel) in r.iter().zip(g).zip(b).zip(into.chunks_exact_mut(2)) {
        let value = rest
            | u16::from(*r) >> (8 - bits[0]) << (bits[1] + bits[2])
            | u16::from(*g) >> (8 - bits[1]) << bits[2]
            | u16::from(*b) >> (8 - bits[2]);
        let value = if big { value.swap_bytes() } else { value };
        pixel.copy_from_slice(&value.to_le_bytes());
    }
}

/// Two pixels in four bytes: where both lumas and the colours are. An odd width's last pixel is there twice.
#[inline(always)]
pub(crate) fn join_pairs<const Y0: usize, const Y1: usize, const U: usize, const V: usize>(
    y: &[u8],
    [u, v]: [&[u8]; 2],
    into: &mut [u8],
) {
    for (((y, u), v), pair) in y.chunks_exact(2).zip(u).zip(v).zip(into.chunks_exact_mut(4)) {
        (pair[Y0], pair[Y1], pair[U], pair[V]) = (y[0], y[1], *u, *v);
    }
    let half = y.len() / 2;
    if let ([last], Some(pair)) = (y.chunks_exact(2).remainder(), into.get_mut(4 * half..4 * half + 4)) {
        (pair[Y0], pair[Y1], pair[U], pair[V]) = (*last, *last, u[half], v[half]);
    }
}

/// Each sample `N` times, as far as there is room.
#[inline(always)]
pub(crate) fn repeat<const N: usize>(from: &[u8], into: &mut [u8]) {
    let whole = into.len() / N;
    for (sample, group) in from.iter().zip(into.chunks_exact_mut(N)) {
        group.copy_from_slice(&[*sample; N]);
    }
    if let Some(last) = from.get(whole) {
        into[whole * N..].fill(*last);
    }
}

/// The sum of the last samples of both lines, if these are no whole group of `N`: the very last counts for those that are
/// missing.
#[inline(always)]
fn rest<const N: usize>(one: &[u8], other: &[u8]) -> Option<(usize, u16)> {
    let whole = one.len() / N;
    let sum = |line: &[u8]| -> Option<u16> {
        let last = line.get(whole * N..)?;
        let more = (N - last.len()) as u16 * u16::from(*last.last()?);
        Some(last.iter().map(|sample| u16::from(*sample)).sum::<u16>() + more)
    };
    Some((whole, sum(one)? + sum(other)?))
}

#[inline(always)]
fn sum(group: &[u8]) -> u16 {
    match *group {
        [a] => a.into(),
        [a, b] => u16::from(a) + u16::from(b),
        _ => group.iter().map(|sample| u16::from(*sample)).sum(),
    }
}

/// The means, rounded, of `N` neighbours of both lines. Beyond the end the last one counts again.
#[inline(always)]
pub(crate) fn mean<const N: usize>(one: &[u8], other: &[u8], into: &mut [u8]) {
    let mean = |sum: u16| ((sum + N as u16) / (2 * N as u16)) as u8;
    for ((one, other), into) in one.chunks_exact(N).zip(other.chunks_exact(N)).zip(&mut *into) {
        *into = mean(sum(one) + sum(other));
    }
    if let Some((at, sum)) = rest::<N>(one, other) {
        into[at] = mean(sum);
    }
}

/// The sums of `N` neighbours of both lines, as [`mean`].
#[inline(always)]
pub(crate) fn total<const N: usize>(one: &[u8], other: &[u8], into: &mut [u16]) {
    for ((one, other), into) in one.chunks_exact(N).zip(other.chunks_exact(N)).zip(&mut *into) {
        *into = sum(one) + sum(other);
    }
    if let Some((at, sum)) = rest::<N>(one, other) {
        into[at] = sum;
    }
}

//! Pictures of another size.
//!
//! A sample of the result is the mean of those around its place, weighted by a triangle that is two samples wide where
//! the picture grows, and two of the result's samples where it shrinks: the filter that swscale calls bilinear. A picture
//! that shrinks to less than half has whole numbers of its samples averaged before. So four weights always do.

/// Samples that a weighted mean is made of.
const TAPS: usize = 4;
/// What weights add up to.
const ONE: u16 = 128;
/// Places of a line whose samples are fetched before they are weighted.
const GATHERED: usize = 64;
/// Bytes behind a line that may be read with it.
const BEHIND: usize = TAPS - 1;

/// One direction of a picture's samples.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Axis {
    /// Samples that there are.
    from: usize,
    /// How many of them are averaged before.
    boxed: usize,
    /// Samples after that.
    len: usize,
    /// Samples of the result.
    to: usize,
    /// Averaged samples for one of the result.
    step: f64,
}

impl Axis {
    /// From so many samples to so many, of which one stands for `step` of the former.
    pub(crate) fn new(from: usize, to: usize, step: f64) -> Self {
        let boxed = ((step / 2.0 + 0.999_999) as usize).clamp(1, from);
        Self { from, boxed, len: from.div_ceil(boxed), to, step: step / boxed as f64 }
    }

    /// Samples of the result.
    pub(crate) fn to(&self) -> usize {
        self.to
    }

    /// The first of the samples that one of the result is made of, and the weights of it and those behind it.
    fn taps(&self, at: usize) -> (usize, [u8; TAPS]) {
        let radius = if self.step > 1.0 { self.step } else { 1.0 };
        let part = 1.0 / radius;
        let centre = (at as f64 + 0.5) * self.step - 0.5;
        // More than any distance from the edge, so that the number is cut off downwards.
        const FAR: f64 = 16.0;
        let first = (centre - radius + FAR) as i64 + 1 - FAR as i64;
        let mut exact = [0.0; TAPS];
        for (k, exact) in exact.iter_mut().enumerate() {
            let distance = (first + k as i64) as f64 - centre;
            let weight = 1.0 - (if distance < 0.0 { -distance } else { distance }) * part;
            *exact = if weight > 0.0 { weight } else { 0.0 };
        }
        let scale = f64::from(ONE) / exact.iter().sum::<f64>();
        let mut whole = exact.map(|weight| (weight * scale + 0.5) as i32);
        let rest = i32::from(ONE) - whole.iter().sum::<i32>();
        let largest = (0..TAPS).max_by_key(|k| whole[*k]).unwrap_or(0);
        whole[largest] += rest;
        // What lies beyond the edge is the edge.
        let last = self.len as i64 - 1;
        let start = first.clamp(0, last);
        let mut weights = [0; TAPS];
        for (k, weight) in whole.into_iter().enumerate() {
            weights[((first + k as i64).clamp(0, last) - start) as usize] += weight as u8;
        }
        (start as usize, weights)
    }
}

/// Bytes that the scaling of `N` planes of one shape needs. None: more than an address has room for.
pub(crate) fn need<const N: usize>(x: &Axis, y: &Axis) -> Option<usize> {
    let [raw, len, to] = [x.from, x.len, x.to].map(|len| len as u64 + BEHIND as u64);
    let sums = if x.boxed > 1 || y.boxed > 1 { 8 * N as u64 * len } else { 0 };
    // The longer one, so that planes with fewer samples never need more.
    let kept = to.max(len);
    let lines = N as u64 * (raw + TAPS as u64 * kept) + len;
    usize::try_from(sums + lines + 8 * to).ok().filter(|need| *need <= i32::MAX as usize)
}

/// Whether lines are scaled before columns: where there are fewer lines before.
fn goes_across_first(y: &Axis) -> bool {
    y.len < y.to
}

/// A part of the workspace.
pub(crate) fn take<'w>(rest: &mut &'w mut [u8], len: usize) -> &'w mut [u8] {
    let (part, more) = core::mem::take(rest).split_at_mut(len);
    *rest = more;
    part
}

/// What is scaled: lines of `N` planes as they are. (A trait and not a closure: methods can be made part of what calls
/// them, which [`crate::wide`] wants.)
pub(crate) trait Lines<const N: usize> {
    /// Reads a line of each.
    fn read(&self, row: usize, into: [&mut [u8]; N]);
}

/// `N` planes of one shape on their way to another size.
pub(crate) struct Scaler<'w, const N: usize> {
    x: Axis,
    y: Axis,
    across_first: bool,
    /// For each sample of a line where its first tap is, in four bytes, then for each tap all weights.
    table: &'w mut [u8],
    /// A line as it is.
    raw: [&'w mut [u8]; N],
    /// Lines one after the other, averaged; and which ones these are.
    kept: [&'w mut [u8]; N],
    held: [usize; TAPS],
    /// A line that has been scaled downwards.
    tall: &'w mut [u8],
    /// What is averaged, eight bytes each.
    sums: [&'w mut [u8]; N],
}

impl<'w, const N: usize> Scaler<'w, N> {
    /// In so much memory as [`need`] says.
    pub(crate) fn new(x: Axis, y: Axis, rest: &mut &'w mut [u8]) -> Self {
        let across_first = goes_across_first(&y);
        let kept = TAPS * (if across_first { x.to } else { x.len } + BEHIND);
        let table = take(rest, 8 * x.to);
        let (starts, weights) = table.split_at_mut(4 * x.to);
        for (at, start) in starts.chunks_exact_mut(4).enumerate() {
            let (first, taps) = x.taps(at);
            start.copy_from_slice(&(first as u32).to_le_bytes());
            for (tap, weight) in taps.into_iter().enumerate() {
                weights[tap * x.to + at] = weight;
            }
        }
        let sums = if x.boxed > 1 || y.boxed > 1 { 8 * x.len } else { 0 };
        Self {
            across_first,
            table,
            raw: core::array::from_fn(|_| take(rest, x.from + BEHIND)),
            kept: core::array::from_fn(|_| take(rest, kept)),
            held: [usize::MAX; TAPS],
            tall: take(rest, x.len + BEHIND),
            sums: core::array::from_fn(|_| take(rest, sums)),
            x,
            y,
        }
    }

    /// Line `at` of the result.
    #[inline(always)]
    pub(crate) fn line(&mut self, at: usize, from: &impl Lines<N>, mut into: [&mut [u8]; N]) {
        let (start, weights) = self.y.taps(at);
        for row in start..(start + TAPS).min(self.y.len) {
            if weights[row - start] != 0 && self.held[row % TAPS] != row {
                self.keep(row, from);
                self.held[row % TAPS] = row;
            }
        }
        let stride = self.kept[0].len() / TAPS;
        for (plane, into) in into.iter_mut().enumerate() {
            let kept = &self.kept[plane];
            let lines = core::array::from_fn(|tap| {
                let row = if weights[tap] == 0 { start } else { start + tap };
                &kept[row % TAPS * stride..][..stride]
            });
            if self.across_first {
                mix(lines, weights, into);
            } else {
                mix(lines, weights, &mut self.tall[..self.x.len]);
                across(self.tall, self.table, &mut into[..self.x.to]);
            }
        }
    }

    /// Reads an averaged line into its place.
    #[inline(always)]
    fn keep(&mut self, row: usize, from: &impl Lines<N>) {
        let (x, y) = (self.x, self.y);
        let stride = self.kept[0].len() / TAPS;
        let place = row % TAPS * stride;
        let plain = x.boxed == 1 && y.boxed == 1;
        if plain && !self.across_first {
            from.read(row, self.kept.each_mut().map(|kept| &mut kept[place..][..x.len]));
            return;
        }
        if plain {
            from.read(row, self.raw.each_mut().map(|raw| &mut raw[..x.from]));
        } else {
            let rows = row * y.boxed..((row + 1) * y.boxed).min(y.from);
            let lines = rows.len();
            self.sums.iter_mut().for_each(|sums| sums.fill(0));
            for row in rows {
                from.read(row, self.raw.each_mut().map(|raw| &mut raw[..x.from]));
                for (raw, sums) in self.raw.iter().zip(&mut self.sums) {
                    add(&raw[..x.from], x.boxed, sums);
                }
            }
            for (raw, sums) in self.raw.iter_mut().zip(&self.sums) {
                average(sums, x, lines, &mut raw[..x.len]);
            }
        }
        for plane in 0..N {
            let kept = &mut self.kept[plane][place..];
            if self.across_first {
                across(self.raw[plane], self.table, &mut kept[..x.to]);
            } else {
                kept[..x.len].copy_from_slice(&self.raw[plane][..x.len]);
            }
        }
    }
}

/// Adds groups of so many samples to their sums.
#[inline(always)]
fn add(line: &[u8], boxed: usize, sums: &mut [u8]) {
    for (group, sum) in line.chunks(boxed).zip(sums.chunks_exact_mut(8)) {
        let more: u64 = group.iter().map(|sample| u64::from(*sample)).sum();
        sum.copy_from_slice(&(number(sum) + more).to_le_bytes());
    }
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// The means of groups of so many lines.
#[inline(always)]
fn average(sums: &[u8], x: Axis, lines: usize, into: &mut [u8]) {
    for (at, (into, sum)) in into.iter_mut().zip(sums.chunks_exact(8)).enumerate() {
        let count = (x.boxed.min(x.from - at * x.boxed) * lines) as u64;
        *into = ((number(sum) + count / 2) / count) as u8;
    }
}

/// The weighted mean of lines.
#[inline(always)]
fn mix(lines: [&[u8]; TAPS], weights: [u8; TAPS], into: &mut [u8]) {
    let mut used = [(lines[0], 0_u16); TAPS];
    let mut count = 0;
    for (line, weight) in lines.into_iter().zip(weights).filter(|(_, weight)| *weight != 0) {
        used[count] = (line, weight.into());
        count += 1;
    }
    let [(a, wa), (b, wb), (c, wc), (d, wd)] = used;
    let part = |sample: &u8, weight: u16| u16::from(*sample) * weight;
    match count {
        1 => into.copy_from_slice(&a[..into.len()]),
        2 => {
            for ((into, a), b) in into.iter_mut().zip(a).zip(b) {
                *into = ((part(a, wa) + part(b, wb) + ONE / 2) / ONE) as u8;
            }
        }
        _ => {
            for ((((into, a), b), c), d) in into.iter_mut().zip(a).zip(b).zip(c).zip(d) {
                *into = ((part(a, wa) + part(b, wb) + part(c, wc) + part(d, wd) + ONE / 2) / ONE) as u8;
            }
        }
    }
}

/// The weighted means of a line's samples, as the table says. The line has [`BEHIND`] more bytes.
#[inline(always)]
fn across(line: &[u8], table: &[u8], into: &mut [u8]) {
    let (starts, weights) = table.split_at(4 * into.len());
    let (one, weights) = weights.split_at(into.len());
    let (two, weights) = weights.split_at(into.len());
    let (three, four) = weights.split_at(into.len());
    let parts = into.chunks_mut(GATHERED).zip(starts.chunks(4 * GATHERED));
    let weights =
        one.chunks(GATHERED).zip(two.chunks(GATHERED)).zip(three.chunks(GATHERED)).zip(four.chunks(GATHERED));
    let mut gathered = [0_u32; GATHERED];
    for ((into, starts), (((one, two), three), four)) in parts.zip(weights) {
        gather(line, starts, &mut gathered);
        let weights = one.iter().zip(two).zip(three).zip(four);
        for ((into, samples), (((one, two), three), four)) in into.iter_mut().zip(&gathered).zip(weights) {
            let part = |shift: u32, weight: u8| (samples >> shift & 0xff) * u32::from(weight);
            let sum = part(0, *one) + part(8, *two) + part(16, *three) + part(24, *four);
            *into = ((sum + u32::from(ONE) / 2) / u32::from(ONE)) as u8;
        }
    }
}

/// Fetches the samples at each place. A function of its own: it has no vectors to be made of, and wants all registers.
#[inline(never)]
fn gather(line: &[u8], starts: &[u8], into: &mut [u32; GATHERED]) {
    for (samples, start) in into.iter_mut().zip(starts.chunks_exact(4)) {
        let start = u32::from_le_bytes([start[0], start[1], start[2], start[3]]) as usize;
        if let Some([a, b, c, d]) = line.get(start..start + TAPS) {
            *samples = u32::from_le_bytes([*a, *b, *c, *d]);
        }
    }
}

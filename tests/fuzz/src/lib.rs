//! What must hold for any bytes, one module a target.
//!
//! The targets in `fuzz_targets/` hand their bytes over; the tests here do so with bytes that are
//! known to matter, so that the properties are checked by a plain `cargo test` too.

pub mod convert;
pub mod ioctl_v4l1;
pub mod ioctl_v4l2;
pub mod paths;
pub mod pixel;
pub mod proc;
pub mod wire;

#[cfg(test)]
mod tests {
    /// A cheap generator: the properties meet some thousands of inputs in every `cargo test`.
    fn inputs() -> impl Iterator<Item = Vec<u8>> {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let mut dice = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        (0..5000).map(move |_| {
            let len = dice() % 400;
            (0..len).map(|_| dice() as u8).collect()
        })
    }

    #[test]
    fn wire() {
        inputs().for_each(|data| super::wire::check(&data));
    }

    #[test]
    fn ioctl_v4l1() {
        inputs().for_each(|data| super::ioctl_v4l1::check(&data));
    }

    #[test]
    fn ioctl_v4l2() {
        inputs().for_each(|data| super::ioctl_v4l2::check(&data));
    }

    #[test]
    fn pixel() {
        inputs().for_each(|data| super::pixel::check(&data));
    }

    #[test]
    fn convert() {
        inputs().take(1000).for_each(|data| super::convert::check(&data));
    }

    #[test]
    fn proc() {
        inputs().for_each(|data| super::proc::check(&data));
        super::proc::check(b"vloopback 0.1\npipe\tinput\tstatus\toutput\tstatus\n0\tvideo0\t-\tvideo1\t-\n");
        super::proc::check(b"Video loopback 0 input\n");
    }

    #[test]
    fn paths() {
        inputs().for_each(|data| super::paths::check(&data));
        super::paths::check(b"//dev/./video7\0/dev/v4l/../video3");
    }
}

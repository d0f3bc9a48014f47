//! The clock of the times in shared pages.

/// CLOCK_MONOTONIC in nanoseconds: one clock for all processes.
#[inline]
pub fn now() -> u64 {
    read(libc::CLOCK_MONOTONIC)
}

/// [`now`] to some milliseconds, for less.
#[inline]
pub fn about_now() -> u64 {
    read(libc::CLOCK_MONOTONIC_COARSE)
}

fn read(id: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a valid timespec. This one libc symbol is not hooked and is no system call.
    unsafe { libc::clock_gettime(id, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_clock_that_all_have() {
        let before = now();
        let uptime = std::fs::read_to_string("/proc/uptime").expect("a kernel");
        let seconds: f64 = uptime.split(' ').next().and_then(|word| word.parse().ok()).expect("seconds");
        assert!(before > 0 && now() >= before);
        // The uptime goes on while the machine is suspended.
        assert!(before as f64 <= (seconds + 1.0) * 1e9, "{before}, {uptime}");
    }
}

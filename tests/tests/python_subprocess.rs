//! Python's subprocess calls close_range in a vfork child, which shares the parent's memory but not its
//! descriptors (driver/docs/rules.md, "The descriptor"): a capture in the same process goes on.

use vloopback_tests::{Env, have, pattern, skip};

const LEN: usize = 320 * 240 * 3 / 2;

/// Captures by MCAPTURE and SYNC with Python's own fcntl and mmap, runs a child between any two frames,
/// and prints the frames.
const CAPTURE: &str = r#"
import fcntl, mmap, os, struct, subprocess, sys
GMBUF, MCAPTURE, SYNC = 0x80887614, 0x40107613, 0x40047612
fd = os.open(sys.argv[1], os.O_RDWR)
answer = fcntl.ioctl(fd, GMBUF, bytes(136))
size, frames, *offsets = struct.unpack("34i", answer)
memory = mmap.mmap(fd, size)
def arm(frame):
    fcntl.ioctl(fd, MCAPTURE, struct.pack("4i", frame, 240, 320, 15))
arm(0)
for n in range(20):
    arm((n + 1) % 2)
    fcntl.ioctl(fd, SYNC, struct.pack("i", n % 2))
    start = offsets[n % 2]
    child = subprocess.run(["echo", "hello"], capture_output=True, close_fds=True, check=True)
    assert child.stdout == b"hello\n", child
    sys.stdout.buffer.write(memory[start:start + 115200])
assert len(os.read(fd, 115200)) == 115200
# A child that is given the device reads from it.
child = subprocess.run(["dd", "bs=115200", "count=1", "status=none"], stdin=fd, capture_output=True, check=True)
sys.stdout.buffer.write(child.stdout)
child = subprocess.run(["cat", "/sys/class/video4linux/" + sys.argv[1][5:] + "/name"], capture_output=True, check=True)
assert child.stdout.startswith(b"Loopback "), child
"#;

#[test]
fn subprocess_while_capturing() {
    if !have("python3") {
        skip!("no python3");
    }
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let mut pusher = env.program("push_motion", &["--device", &pipe.input, "--fps", "100"]).start();
    pusher.event("setup");
    let ended = env.run(&["python3", "-c", CAPTURE, &pipe.output]).output().ok();
    assert_eq!(ended.stdout.len(), 21 * LEN);
    let numbers: Vec<u32> =
        ended.stdout.chunks(LEN).map(|frame| pattern::check(frame).expect("a whole frame")).collect();
    assert!(numbers[..20].windows(2).all(|pair| pair[0] < pair[1]), "{numbers:?}");
}

/// multiprocessing forks and execs; a worker opens the device by itself.
#[test]
fn worker_processes_open_the_device() {
    if !have("python3") {
        skip!("no python3");
    }
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let mut pusher = env.program("push_motion", &["--device", &pipe.input, "--fps", "100"]).start();
    pusher.event("setup");
    let code = "import multiprocessing, os, sys\n\
                def work(path):\n    \
                    fd = os.open(path, os.O_RDONLY)\n    \
                    return len(os.read(fd, 115200))\n\
                if __name__ == '__main__':\n    \
                    print(work(sys.argv[1]))\n    \
                    for way in ('fork', 'spawn', 'forkserver'):\n        \
                        with multiprocessing.get_context(way).Pool(2) as pool:\n            \
                            print(sum(pool.map(work, [sys.argv[1]] * 4)))\n";
    let file = env.dir().join("workers.py");
    std::fs::write(&file, code).expect("the script");
    let file = file.to_str().expect("a path in UTF-8");
    let ended = env.run(&["python3", file, &pipe.output]).output().ok();
    assert_eq!(ended.text(), format!("{LEN}\n{0}\n{0}\n{0}\n", 4 * LEN));
}

//! Python's own camera packages, from PyPI: each hands on what it has of the frames, without a conversion.
//! `tests/get-python` fetches them.

use std::path::PathBuf;

use vloopback_tests::{Env, Job, bin_dir, full, skip};

use super::{Palette, YUV420P, YUYV, saves};

/// The interpreter of the environment that has them; None: it has not this module.
fn python_with(module: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("VLOOPBACK_PYTHON").map_or_else(
        // In the target directory, beside the binaries' profile.
        || bin_dir().parent().map(|target| target.join("python")).unwrap_or_default(),
        PathBuf::from,
    );
    let python = folder.join("bin/python3");
    let has =
        python.exists() && Job::new(&python).args(["-c", &format!("import {module}")]).output().code() == 0;
    has.then_some(python)
}

/// What a script of these lines saves of a node; its words are the node and how many frames.
#[track_caller]
fn script_saves(python: &std::path::Path, name: &str, script: &str, palette: Palette) {
    saves(palette, 8, |env: &Env, device| {
        let words = [python.to_str().expect("letters"), "-c", script, device, "8"];
        env.run(&words).env("QT_QPA_PLATFORM", "offscreen").named(name).output().ok().stdout
    });
}

const PYAV: &str = "
import sys, av
count = int(sys.argv[2])
for frame in av.open(sys.argv[1], format='v4l2').decode(video=0):
    for plane in frame.planes:
        sys.stdout.buffer.write(bytes(plane))
    count -= 1
    if not count: break
";

#[test]
fn pyav_reads() {
    let Some(python) = python_with("av") else { skip!("no PyAV (tests/get-python)") };
    for palette in [YUYV, YUV420P] {
        script_saves(&python, "PyAV", PYAV, palette);
    }
}

/// With a queue of its own, and by its list of devices.
const LINUXPY: &str = "
import sys
from linuxpy.video.device import Device, VideoCapture, iter_video_capture_devices
assert sys.argv[1] in [str(device.filename) for device in iter_video_capture_devices()], 'not listed'
with Device(sys.argv[1]) as device, VideoCapture(device) as stream:
    for number, frame in enumerate(stream, 1):
        sys.stdout.buffer.write(frame.data)
        if number == int(sys.argv[2]): break
";

#[test]
fn linuxpy_reads() {
    let Some(python) = python_with("linuxpy.video.device") else { skip!("no linuxpy (tests/get-python)") };
    script_saves(&python, "linuxpy", LINUXPY, YUYV);
}

const PYGAME: &str = "
import os, sys
os.environ['SDL_VIDEODRIVER'] = 'dummy'
os.environ['PYGAME_HIDE_SUPPORT_PROMPT'] = '1'
import pygame.camera
pygame.camera.init()
assert sys.argv[1] in pygame.camera.list_cameras(), 'not listed'
camera = pygame.camera.Camera(sys.argv[1], (320, 240), 'YUV')
camera.start()
assert camera.get_size() == (320, 240), camera.get_size()
for _ in range(int(sys.argv[2])):
    sys.stdout.buffer.write(camera.get_raw())
camera.stop()
";

#[test]
fn pygames_camera_reads() {
    let Some(python) = python_with("pygame.camera") else { skip!("no pygame (tests/get-python)") };
    script_saves(&python, "pygame", PYGAME, YUYV);
}

/// PyPI's OpenCV, which is not built as Debian's is.
#[test]
fn opencvs_wheel_reads() {
    if !full() {
        return;
    }
    let Some(python) = python_with("cv2") else { skip!("no OpenCV of PyPI's (tests/get-python --full)") };
    script_saves(&python, "OpenCV of PyPI's", super::viewers::CAPTURE, YUYV);
}

/// Qt 6 lists the cameras, and hands its frames to a program.
const QT: &str = "
import sys
from PySide6.QtGui import QGuiApplication
from PySide6.QtMultimedia import QCamera, QMediaCaptureSession, QMediaDevices, QVideoFrame, QVideoSink
app = QGuiApplication(sys.argv)
cameras = [c for c in QMediaDevices.videoInputs() if c.id().data().decode() == sys.argv[1]]
assert len(cameras) == 1, [c.id().data() for c in QMediaDevices.videoInputs()]
camera, session, sink = QCamera(cameras[0]), QMediaCaptureSession(), QVideoSink()
session.setCamera(camera)
session.setVideoSink(sink)
left = int(sys.argv[2])
def show(frame):
    global left
    if left:
        assert frame.map(QVideoFrame.MapMode.ReadOnly), 'not to be read'
        sys.stdout.buffer.write(bytes(frame.bits(0))[:frame.mappedBytes(0)])
        frame.unmap()
        left -= 1
    if not left: app.quit()
def fail(error, text):
    print(error, text, file=sys.stderr)
    app.exit(1)
sink.videoFrameChanged.connect(show)
camera.errorOccurred.connect(fail)
camera.start()
code = app.exec()
camera.stop()
sys.exit(code)
";

#[test]
fn pyside_lists_and_reads() {
    if !full() {
        return;
    }
    let Some(python) = python_with("PySide6.QtMultimedia") else {
        skip!("no PySide6 (tests/get-python --full, and the libraries that it names)")
    };
    script_saves(&python, "PySide6", QT, YUYV);
}

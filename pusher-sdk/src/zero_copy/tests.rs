//! Requests as a client's ioctl brings them, and what a server answers: V4L2's here, V4L1's with a pipe and
//! clients in `tests/zero_copy.rs`.

use vloopback_abi::text;
use vloopback_abi::v4l2::{
    Fourcc, V4L2_BUF_TYPE_VIDEO_CAPTURE, V4L2_CAP_VIDEO_CAPTURE, V4l2Capability, V4l2Control, V4l2Format,
    V4l2PixFormat, request,
};

use super::*;

/// A camera that answers V4L2's requests, or leaves them to `other`.
#[derive(Default)]
struct Camera {
    typed: bool,
    brightness: i32,
    others: Vec<(u32, Vec<u8>)>,
}

impl Server for Camera {
    fn v4l2(&mut self) -> Option<&mut dyn V4l2Device> {
        self.typed.then_some(self)
    }

    fn other(&mut self, number: u32, data: &mut [u8]) -> Answer<()> {
        self.others.push((number, data.to_vec()));
        data.fill(9);
        Ok(())
    }
}

impl V4l2Device for Camera {
    fn querycap(&mut self) -> Answer<V4l2Capability> {
        Ok(V4l2Capability {
            card: text::field("Camera of a test"),
            capabilities: V4L2_CAP_VIDEO_CAPTURE,
            ..V4l2Capability::default()
        })
    }

    fn s_fmt(&mut self, asked: V4l2Format) -> Answer<V4l2Format> {
        if asked.type_ != V4L2_BUF_TYPE_VIDEO_CAPTURE {
            return Err(Errno::EINVAL);
        }
        // Half of what was asked for, in the camera's own pixels.
        let pix = V4l2PixFormat {
            width: asked.pix().width / 2,
            height: asked.pix().height / 2,
            pixelformat: Fourcc::new(b"YUYV").0,
            ..asked.pix()
        };
        Ok(V4l2Format::with_pix(asked.type_, pix))
    }

    fn s_ctrl(&mut self, control: V4l2Control) -> Answer<V4l2Control> {
        self.brightness = control.value;
        Ok(control)
    }
}

/// One request with these bytes; the answer's.
fn ask(camera: &mut Camera, number: u32, bytes: &[u8]) -> Answer<Vec<u8>> {
    let layout = Layout::new(1, 4096).unwrap();
    let mut data = [0; MAX_DATA];
    data[..bytes.len()].copy_from_slice(bytes);
    let (slots, memory) = (&[Slot::default()][..], &mut [0u8; 4096][..]);
    let mut claims_page = ClaimsPage { server: camera, layout: &layout, slots, memory, step: Step::None };
    dispatch(&mut claims_page, number, bytes.len(), &mut data)?;
    assert!(matches!(claims_page.step, Step::None), "V4L2's requests order no frames");
    assert!(data[bytes.len()..].iter().all(|byte| *byte == 0), "more was written than was asked with");
    Ok(data[..bytes.len()].to_vec())
}

#[test]
fn v4l2_requests_are_typed() {
    let mut camera = Camera { typed: true, ..Camera::default() };
    assert!(camera.takes_v4l2());
    let told = ask(&mut camera, request::QUERYCAP, &[0xff; 104]).unwrap();
    assert_eq!(text::text(&told[16..48]), "Camera of a test");
    assert_eq!(told[84..88], V4L2_CAP_VIDEO_CAPTURE.to_ne_bytes());

    // type, padding, width, height, pixel format
    let mut format = [0; 208];
    format[..4].copy_from_slice(&V4L2_BUF_TYPE_VIDEO_CAPTURE.to_ne_bytes());
    format[8..12].copy_from_slice(&640u32.to_ne_bytes());
    format[12..16].copy_from_slice(&480u32.to_ne_bytes());
    let told = ask(&mut camera, request::S_FMT, &format).unwrap();
    let word = |at: usize| u32::from_ne_bytes(told[at..at + 4].try_into().unwrap());
    assert_eq!((word(0), word(8), word(12)), (V4L2_BUF_TYPE_VIDEO_CAPTURE, 320, 240));
    assert_eq!(&told[16..20], b"YUYV");
    format[0] = 99;
    assert_eq!(ask(&mut camera, request::S_FMT, &format), Err(Errno::EINVAL));

    // id, value
    let control = [1, 0, 0, 0, 7, 0, 0, 0];
    assert_eq!(ask(&mut camera, request::S_CTRL, &control).unwrap(), control);
    assert_eq!(camera.brightness, 7);

    // Refused: what it does not implement, what no loopback has, what is no request.
    assert_eq!(ask(&mut camera, request::G_CTRL, &control), Err(Errno::ENOTTY));
    assert_eq!(ask(&mut camera, request::G_FBUF, &[0; 48]), Err(Errno::ENOTTY));
    assert_eq!(ask(&mut camera, request::QUERYCAP + 200, &[]), Err(Errno::ENOTTY));
    assert!(camera.others.is_empty());
}

#[test]
fn without_a_v4l2_device_they_are_others() {
    let mut camera = Camera::default();
    assert!(!camera.takes_v4l2());
    let control = [1, 0, 0, 0, 7, 0, 0, 0];
    assert_eq!(ask(&mut camera, request::S_CTRL, &control).unwrap(), [9; 8]);
    assert_eq!(camera.others, [(request::S_CTRL, control.to_vec())]);
    assert_eq!(camera.brightness, 0);
}

//! Prints the table of V4L1 requests that the README has.

fn main() {
    print!("{}", vloopback_ioctl::v4l1::SupportMatrix);
}

//! Prints the tables of requests that the README has.

fn main() {
    println!("{}", vloopback_ioctl::v4l1::SupportMatrix);
    print!("{}", vloopback_ioctl::v4l2::SupportMatrix);
}

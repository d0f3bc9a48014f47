//! Prints the tables of requests of `driver/docs/reference.md`.

fn main() {
    println!("{}", vloopback_ioctl::v4l1::SupportMatrix);
    print!("{}", vloopback_ioctl::v4l2::SupportMatrix);
}

//! The README's matrices of requests are the tables that dispatch.

use std::path::Path;

/// What the README has between `<!-- NAME -->` and `<!-- /NAME -->`.
fn in_readme(name: &str) -> String {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let text = std::fs::read_to_string(readme).expect("README.md at the top of the workspace");
    text.split_once(&format!("<!-- {name} -->\n"))
        .and_then(|(_, rest)| rest.split_once(&format!("\n<!-- /{name} -->")))
        .map(|(table, _)| table.trim().to_owned())
        .expect("the README marks its matrix")
}

const ADVICE: &str = "paste the output of `cargo run -p vloopback-ioctl --example support-matrix`";

#[test]
fn the_readme_has_the_table_that_dispatches_v4l1() {
    assert_eq!(in_readme("matrix"), vloopback_ioctl::v4l1::SupportMatrix.to_string().trim(), "{ADVICE}");
}

#[test]
fn the_readme_has_the_table_that_dispatches_v4l2() {
    assert_eq!(in_readme("matrix-v4l2"), vloopback_ioctl::v4l2::SupportMatrix.to_string().trim(), "{ADVICE}");
}

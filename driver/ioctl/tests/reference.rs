//! The matrices of requests in `driver/docs/reference.md` are the tables that dispatch.

use std::path::Path;

/// What the page has between `<!-- NAME -->` and `<!-- /NAME -->`.
fn in_reference(name: &str) -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference.md");
    let text = std::fs::read_to_string(page).expect("driver/docs/reference.md");
    text.split_once(&format!("<!-- {name} -->\n"))
        .and_then(|(_, rest)| rest.split_once(&format!("\n<!-- /{name} -->")))
        .map(|(table, _)| table.trim().to_owned())
        .expect("the page marks its matrix")
}

const ADVICE: &str = "paste the output of `cargo run -p vloopback-ioctl --example support-matrix`";

#[test]
fn the_reference_has_the_table_that_dispatches_v4l1() {
    assert_eq!(in_reference("matrix"), vloopback_ioctl::v4l1::SupportMatrix.to_string().trim(), "{ADVICE}");
}

#[test]
fn the_reference_has_the_table_that_dispatches_v4l2() {
    assert_eq!(
        in_reference("matrix-v4l2"),
        vloopback_ioctl::v4l2::SupportMatrix.to_string().trim(),
        "{ADVICE}"
    );
}

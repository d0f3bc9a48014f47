//! The README's matrix of requests is the table that dispatches.

use std::path::Path;

#[test]
fn the_readme_has_the_table_that_dispatches() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let text = std::fs::read_to_string(readme).expect("README.md at the top of the workspace");
    let table = text
        .split_once("<!-- matrix -->\n")
        .and_then(|(_, rest)| rest.split_once("\n<!-- /matrix -->"))
        .map(|(table, _)| table)
        .expect("the README marks its matrix");
    let made = vloopback_ioctl::v4l1::SupportMatrix.to_string();
    assert_eq!(
        table.trim(),
        made.trim(),
        "paste the output of `cargo run -p vloopback-ioctl --example support-matrix`"
    );
}

//! What programs say in their events.

use serde_json::Value;

/// What an event says, as a number.
///
/// # Panics
/// Where it says nothing of it.
#[track_caller]
pub fn number(event: &Value, key: &str) -> i64 {
    event[key].as_i64().unwrap_or_else(|| panic!("no {key} in {event}"))
}

/// Asserts a clean result of a client with at least `frames` frames.
///
/// # Panics
/// Where it is not.
#[track_caller]
pub fn clean(result: &Value, frames: i64) {
    for key in ["torn", "foreign", "back", "errors"] {
        assert_eq!(number(result, key), 0, "{key}: {result}");
    }
    assert!(number(result, "received") >= frames, "{result}");
}

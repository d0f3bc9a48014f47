//! Programs that are a set of cases (`tests/programs/v4l2_case.h`).

use serde_json::Value;

use crate::{Job, Running};

/// Runs a case to its end and returns the events that it told on its way. `on` gets each event as it
/// comes: what it does for the case, it answers with an order.
///
/// # Panics
/// Where something was not as it has to be: with all that was wrong.
#[track_caller]
pub fn pass(case: Job, mut on: impl FnMut(&str, &mut Running)) -> Vec<Value> {
    let mut case = case.start();
    let mut events = Vec::new();
    loop {
        let Some(event) = case.any_event() else {
            panic!("the case ends before its end: {events:?}\n{}", case.stderr());
        };
        let name = event["event"].as_str().unwrap_or_default().to_owned();
        match name.as_str() {
            "pass" => {
                case.finish().ok();
                return events;
            }
            "failed" => {
                let wrong: Vec<String> =
                    events.iter().filter(|e| e["event"] == "wrong").map(|e| e["what"].to_string()).collect();
                panic!("{event}:\n{}\n{}", wrong.join("\n"), case.stderr());
            }
            name => on(name, &mut case),
        }
        events.push(event);
    }
}

/// What a case wants of a pusher that pushes a frame an order: one frame for each "want".
pub fn step(pusher: &mut Running) -> impl FnMut(&str, &mut Running) {
    |name, case| {
        if name == "want" {
            pusher.order();
            pusher.event("frame");
            case.order();
        }
    }
}

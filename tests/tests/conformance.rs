//! The conformance suite (`vloopback_tests::conformance`) over every way of reaching a pipe, each way of its
//! inputs with each way of its outputs; and over liars, who are all found out.

use vloopback_tests::conformance::{Agents, Liar, Lie, Outcome, RULES, Transport};
use vloopback_tests::{Env, Job, Width, program_of};

fn preloaded(env: &Env, io: &str) -> Job {
    env.program("conform", &["--io", io])
}

/// By the preload library, with V4L2's buffers.
fn preload_buffers() -> Agents {
    Agents::new("preload, buffers", |env| preloaded(env, "mmap"))
}

/// By the preload library, with read() and write().
fn preload_read_write() -> Agents {
    Agents::new("preload, read and write", |env| preloaded(env, "read"))
}

/// By the SDK's pusher and the runtime's watcher.
fn sdk() -> Agents {
    Agents::new("SDK", |env| {
        Job::new(env!("CARGO_BIN_EXE_conform_sdk")).arg(env.socket()).named("conform_sdk")
    })
}

/// By a supervisor, for a program that has nothing of ours in it: with V4L2's buffers.
fn foreign_buffers() -> Agents {
    Agents::new("foreign, buffers", |env| supervised(env, "mmap"))
}

/// The same with read() and write().
fn foreign_read_write() -> Agents {
    Agents::new("foreign, read and write", |env| supervised(env, "read"))
}

fn supervised(env: &Env, io: &str) -> Job {
    let program = program_of("conform", Width::Native);
    let supervisor = Job::new(env!("CARGO_BIN_EXE_conform_foreign"));
    supervisor.arg(env.socket()).arg(program).arg("--io").arg(io).named(&format!("conform_foreign {io}"))
}

/// Runs all rules over inputs of one way and outputs of another. `without` names those for which the outputs
/// lack something.
#[track_caller]
fn conforms(inputs: &dyn Transport, outputs: &dyn Transport, without: &[&str]) {
    let mut broken = Vec::new();
    for rule in RULES {
        let expected = if without.contains(&rule.name) { Outcome::Unsupported } else { Outcome::Kept };
        match rule.check(inputs, outputs) {
            Ok(outcome) if outcome == expected => {}
            Ok(outcome) => broken.push(format!("{}: {outcome:?} where {expected:?} is expected", rule.name)),
            Err(why) => broken.push(format!("{} ({}): {why}", rule.name, rule.says)),
        }
    }
    assert!(broken.is_empty(), "{} to {}:\n{}", inputs.name(), outputs.name(), broken.join("\n"));
}

/// read() tells no sequence numbers.
const READ_LACKS: &[&str] = &["gaps-are-drops"];
/// Nor does the watcher, which has no descriptor to poll either.
const SDK_LACKS: &[&str] = &["gaps-are-drops", "readiness"];

#[test]
fn buffers_to_buffers() {
    conforms(&preload_buffers(), &preload_buffers(), &[]);
}

#[test]
fn writes_to_reads() {
    conforms(&preload_read_write(), &preload_read_write(), READ_LACKS);
}

#[test]
fn buffers_to_reads() {
    conforms(&preload_buffers(), &preload_read_write(), READ_LACKS);
}

#[test]
fn writes_to_buffers() {
    conforms(&preload_read_write(), &preload_buffers(), &[]);
}

#[test]
fn sdk_to_buffers() {
    conforms(&sdk(), &preload_buffers(), &[]);
}

#[test]
fn sdk_to_reads() {
    conforms(&sdk(), &preload_read_write(), READ_LACKS);
}

#[test]
fn sdk_to_sdk() {
    conforms(&sdk(), &sdk(), SDK_LACKS);
}

#[test]
fn buffers_to_sdk() {
    conforms(&preload_buffers(), &sdk(), SDK_LACKS);
}

#[test]
fn foreign_to_foreign() {
    conforms(&foreign_buffers(), &foreign_buffers(), &[]);
}

#[test]
fn foreign_writes_to_foreign_reads() {
    conforms(&foreign_read_write(), &foreign_read_write(), READ_LACKS);
}

#[test]
fn foreign_to_buffers() {
    conforms(&foreign_buffers(), &preload_buffers(), &[]);
}

#[test]
fn buffers_to_foreign() {
    conforms(&preload_buffers(), &foreign_buffers(), &[]);
}

#[test]
fn foreign_writes_to_reads() {
    conforms(&foreign_read_write(), &preload_read_write(), READ_LACKS);
}

#[test]
fn writes_to_foreign_reads() {
    conforms(&preload_read_write(), &foreign_read_write(), READ_LACKS);
}

#[test]
fn sdk_to_foreign() {
    conforms(&sdk(), &foreign_buffers(), &[]);
}

#[test]
fn foreign_to_sdk() {
    conforms(&foreign_buffers(), &sdk(), SDK_LACKS);
}

#[test]
fn foreign_writes_to_foreign_buffers() {
    conforms(&foreign_read_write(), &foreign_buffers(), &[]);
}

#[test]
fn foreign_buffers_to_foreign_reads() {
    conforms(&foreign_buffers(), &foreign_read_write(), READ_LACKS);
}

#[test]
fn foreign_buffers_to_reads() {
    conforms(&foreign_buffers(), &preload_read_write(), READ_LACKS);
}

#[test]
fn foreign_writes_to_buffers() {
    conforms(&foreign_read_write(), &preload_buffers(), &[]);
}

#[test]
fn buffers_to_foreign_reads() {
    conforms(&preload_buffers(), &foreign_read_write(), READ_LACKS);
}

#[test]
fn writes_to_foreign_buffers() {
    conforms(&preload_read_write(), &foreign_buffers(), &[]);
}

#[test]
fn sdk_to_foreign_reads() {
    conforms(&sdk(), &foreign_read_write(), READ_LACKS);
}

#[test]
fn foreign_writes_to_sdk() {
    conforms(&foreign_read_write(), &sdk(), SDK_LACKS);
}

/// The negative run: each rule finds out the lie that it names, and no two rules have one name.
#[test]
fn every_rule_finds_its_liar_out() {
    let truth = preload_buffers();
    for (k, rule) in RULES.iter().enumerate() {
        assert!(RULES.iter().skip(k + 1).all(|other| other.name != rule.name), "{} twice", rule.name);
        let liar = Liar::new(&truth, rule.lie);
        let outcome = rule.check(&liar, &liar);
        assert!(outcome.is_err(), "{} believes a liar ({:?}): {outcome:?}", rule.name, rule.lie);
    }
}

/// A lie is one only where it matters: a rule that is not about it is kept over the liar.
#[test]
fn liars_lie_in_one_thing_only() {
    let truth = preload_buffers();
    for (lie, kept) in
        [(Lie::Format, "bit-for-bit"), (Lie::Ready, "oldest-first"), (Lie::Sequence, "bytesused")]
    {
        let rule = RULES.iter().find(|rule| rule.name == kept).expect("a rule of that name");
        let liar = Liar::new(&truth, lie);
        assert_eq!(rule.check(&liar, &liar), Ok(Outcome::Kept), "{kept} over {lie:?}");
    }
}

//! Programs that lock themselves in (driver/docs/clients.md, "What each program needs": Chromium's and Firefox's
//! renderers): the library makes no system call for a descriptor that is no device which such a program would be
//! killed for.

use vloopback_tests::Env;

#[test]
fn a_locked_in_program_lives() {
    let env = Env::new(1);
    assert_eq!(env.program("sandbox", &[]).start().result()["event"], "result");
}

/// Negative run: the lock is one.
#[test]
fn the_lock_holds() {
    let env = Env::new(1);
    let mut locked = env.program("sandbox", &["negative"]).start();
    locked.end_input();
    // SIGSYS.
    assert_eq!(locked.finish().code(), 128 + 31);
}

//! Commands between `vloopback run` and the program that lose the library: said before the start, with the order
//! that works.

use std::path::Path;

use vloopback_tests::{Env, Job, bin_dir, binary, have, skip};

const LIST: &str = "/proc/video/vloopback/vloopbacks";

/// What is said of a command, and whether its program sees the pipes.
fn told(env: &Env, command: &[&str]) -> (String, bool) {
    let ended = env.run(command).output();
    (ended.stderr.clone(), ended.text().contains("video0\t") || ended.text().contains("video1\t"))
}

/// The command line behind the last colon of the warning.
#[track_caller]
fn order(warning: &str) -> String {
    let line = warning.lines().find(|line| line.contains("will not see the pipes")).expect("a warning");
    line.rsplit_once(": ").expect("an order").1.to_owned()
}

/// With `env -i`: the program sees nothing, that is said, and what is said instead works as it stands.
#[test]
fn an_empty_environment() {
    let env = Env::new(1);
    for way in [&["env", "-i"][..], &["env", "-"], &["env", "-u", "LD_PRELOAD"], &["env", "-i", "A=b c"]] {
        let (warning, seen) = told(&env, &[way, &["cat", LIST]].concat());
        assert!(!seen, "{way:?}");
        assert!(warning.contains("the program that env starts will not see the pipes"), "{way:?}: {warning}");
        // Where env finds vloopback, which has no PATH behind -i.
        let order =
            order(&warning).replace(" vloopback run", &format!(" {} run", binary("vloopback").display()));
        let ended = Job::new("sh").args(["-c", &order]).output().ok();
        assert!(ended.text().contains("video"), "{order}: {}", ended.text());
        assert_eq!(ended.stderr, "", "{order}");
    }
    for way in [&["env", "A=b"][..], &["env", "-u", "HOME"], &["nice"]] {
        assert_eq!(told(&env, &[way, &["cat", LIST]].concat()), (String::new(), true), "{way:?}");
    }
}

/// sudo clears LD_PRELOAD, also where root calls it.
#[test]
fn sudo() {
    if !have("sudo") {
        skip!("no sudo");
    }
    let env = Env::builder().args(&["--pipes", "1"]).open_to_all().start();
    let (warning, _) = told(&env, &["sudo", "-n", "true"]);
    assert!(warning.contains("the program that sudo starts will not see the pipes"), "{warning}");
    let expected = format!("sudo -n vloopback run --socket {} -- true", env.socket().display());
    assert_eq!(order(&warning), expected);
    if !rustix::process::geteuid().is_root() {
        skip!("only root need not tell sudo a password");
    }
    let (_, seen) = told(&env, &["sudo", "-n", "cat", LIST]);
    assert!(!seen);
    let line = order(&told(&env, &["sudo", "-n", "cat", LIST]).0);
    let line = line.replace(" vloopback run", &format!(" {}/vloopback run", bin_dir().display()));
    let ended = Job::new("sh").args(["-c", &line]).output().ok();
    assert!(ended.text().contains("video"), "{line}: {}", ended.text());
}

/// A login has a new environment.
#[test]
fn a_login() {
    if !rustix::process::geteuid().is_root() {
        skip!("only root becomes another user without a password");
    }
    let env = Env::builder().args(&["--pipes", "1"]).open_to_all().start();
    for command in
        [&["su", "-", "root", "-c"][..], &["su", "-l", "root", "-c"], &["runuser", "-l", "root", "-c"]]
    {
        let (warning, seen) = told(&env, &[command, &[&format!("cat {LIST}")]].concat());
        assert!(!seen, "{command:?}");
        assert!(warning.contains("will not see the pipes: it makes a new environment"), "{warning}");
        assert!(warning.contains("-c 'vloopback run --socket"), "{warning}");
    }
    assert_eq!(told(&env, &["su", "root", "-c", &format!("cat {LIST}")]), (String::new(), true));
}

/// The dynamic loader as the command has no loader of its own, and preloads for the program that it starts.
#[test]
fn the_loader_is_served() {
    let env = Env::new(1);
    let listed = Job::new("ldd").arg("/bin/cat").output().ok().text();
    let loader = listed.split_whitespace().find(|word| word.starts_with('/') && word.contains("/ld-"));
    let Some(loader) = loader.filter(|loader| Path::new(loader).exists()) else {
        skip!("no dynamic loader is found");
    };
    assert_eq!(told(&env, &[loader, "/bin/cat", LIST]), (String::new(), true));
    assert_eq!(told(&env, &[loader, "--inhibit-cache", "/bin/cat", LIST]), (String::new(), true));
    // What it starts is judged as any program.
    let junk = env.dir().join("static");
    let made =
        Job::new("cc").args(["-static", "-nostdlib", "-Wl,-e,0", "-x", "c", "/dev/null", "-o"]).arg(&junk);
    made.output().ok();
    let (warning, _) = told(&env, &[loader, junk.to_str().expect("UTF-8")]);
    assert!(warning.contains("statically linked"), "{warning}");
}

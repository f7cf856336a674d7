//! Configuration, through the binary: what a user sees.

use std::process::{Command, Output};

fn ponto(folder: &std::path::Path, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ponto"))
        .current_dir(folder)
        .env_clear()
        .envs(std::env::var_os("HOME").map(|home| ("HOME", home)))
        .envs(variables.iter().copied())
        .args(arguments)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn environment_wins_over_the_file_and_the_file_over_defaults() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("ponto.toml"),
        "[server]\nlisten = \"127.0.0.1:9001\"\nshutdown_s = 7\n[log]\nlevel = \"debug\"\n",
    )
    .unwrap();
    let output =
        ponto(folder.path(), &["config", "show", "--json"], &[("PONTO__SERVER__LISTEN", "127.0.0.1:9002")]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let shown: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(shown["server"]["listen"], "127.0.0.1:9002");
    assert_eq!(shown["server"]["shutdown_s"], 7);
    assert_eq!(shown["log"]["level"], "debug");
    assert_eq!(shown["log"]["format"], "text");
}

#[test]
fn what_is_shown_can_be_loaded_again() {
    let folder = tempfile::tempdir().unwrap();
    let shown = ponto(folder.path(), &["config", "show"], &[]);
    std::fs::write(folder.path().join("again.toml"), &shown.stdout).unwrap();
    let again = ponto(folder.path(), &["config", "show", "--config", "again.toml"], &[]);
    assert!(again.status.success(), "{}", text(&again.stderr));
    assert_eq!(text(&again.stdout), text(&shown.stdout));
}

#[test]
fn mistakes_name_the_place_and_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ponto.toml"), "[server]\nlisten = \"here\"\n").unwrap();
    let invalid = ponto(folder.path(), &["config", "show"], &[]);
    assert!(!invalid.status.success());
    assert!(
        text(&invalid.stderr).contains("server.listen: write an address and a port"),
        "{}",
        text(&invalid.stderr)
    );

    std::fs::write(folder.path().join("ponto.toml"), "[server]\nlisen = \"127.0.0.1:1\"\n").unwrap();
    let unknown = ponto(folder.path(), &["config", "show"], &[]);
    assert!(!unknown.status.success());
    let message = text(&unknown.stderr);
    assert!(message.contains("lisen") && message.contains("ponto.toml"), "{message}");

    let missing = ponto(folder.path(), &["config", "show", "--config", "absent.toml"], &[]);
    assert!(text(&missing.stderr).contains("there is no configuration file absent.toml"));
}

#[test]
fn the_schema_describes_every_setting() {
    let folder = tempfile::tempdir().unwrap();
    let output = ponto(folder.path(), &["config", "schema"], &[]);
    let schema: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    for (name, section) in schema["$defs"].as_object().unwrap() {
        for (key, setting) in section["properties"].as_object().into_iter().flatten() {
            assert!(setting["description"].is_string(), "{name}.{key} has no description");
        }
    }
}

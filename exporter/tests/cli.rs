//! The `lanewire` command, as a user meets it.

use std::process::{Command, Output};

fn lanewire(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lanewire"))
        .args(arguments)
        .env_clear()
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

#[test]
fn a_good_file_is_ok() {
    let file = file("sampling: {ratio: 0.5}\n");
    let path = file.path().to_str().unwrap();
    let output = lanewire(&["config", "check", path]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(stdout(&output), format!("{path}: ok\n"));
}

#[test]
fn a_bad_file_is_refused_with_every_mistake_on_a_line() {
    let file = file("sampling: {ratio: 2}\ninject:\n  tos: []\n");
    let path = file.path().to_str().unwrap();
    let expected = format!(
        "{path}:1:19: sampling.ratio: 2.0 is out of range; expected 0.0 to 1.0\n\
         {path}:3:3: inject.tos: unknown key; did you mean \"inject.to\"?\n"
    );
    for arguments in [
        ["config", "check", path].as_slice(),
        &["config", "print", "-c", path],
        &["run", "-c", path],
    ] {
        let output = lanewire(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert_eq!(
            String::from_utf8(output.stderr).unwrap(),
            expected,
            "{arguments:?}"
        );
    }
}

#[test]
fn a_file_that_is_not_there_is_refused() {
    let output = lanewire(&["config", "check", "/nowhere/config.yaml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .starts_with("/nowhere/config.yaml: ")
    );
}

#[test]
fn what_is_printed_is_in_effect_and_checks() {
    let given = file("sampling: {ratio: 0.5}\n");
    let output = lanewire(&["config", "print", "-c", given.path().to_str().unwrap()]);
    let printed = stdout(&output);
    assert!(printed.contains("ratio: 0.5\n") && printed.contains("ring_buffer: 16MiB\n"));
    let again = file(&printed);
    let output = lanewire(&["config", "check", again.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0));
}

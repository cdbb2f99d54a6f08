//! A configuration file: YAML, `${NAME:default}`, and every key.
#![no_main]

use lanewire::config::Config;
use libfuzzer_sys::fuzz_target;

fn environment(name: &str) -> Option<String> {
    match name {
        "A" => Some("a".into()),
        "B" => Some("${A}".into()),
        "EMPTY" => Some(String::new()),
        "PORT" => Some("4317".into()),
        _ => None,
    }
}

fuzz_target!(|text: &str| {
    match Config::parse("fuzz.yaml", text, environment) {
        Ok(config) => {
            config.notices();
            config.to_yaml();
        }
        Err(errors) => assert!(!errors.to_string().is_empty()),
    }
});

//! Which processes a rule of `services.rules` or `placement.rules` is for.

use super::process::Process;
use crate::config::schema::services::{Match, ServiceRule};

/// The first rule that matches.
pub(super) fn first_match<'r>(
    rules: &'r [ServiceRule],
    process: &Process,
) -> Option<&'r ServiceRule> {
    rules.iter().find(|rule| matches(&rule.matches, process))
}

/// Whether all that is given matches; what costs most comes last.
pub(super) fn matches(wanted: &Match, process: &Process) -> bool {
    let executable = &wanted.executable;
    (executable.is_empty() || *executable == process.executable || *executable == process.comm)
        && (wanted.command_line.is_empty() || glob(&wanted.command_line, &process.command_line))
        && (wanted.cgroup.is_empty() || glob(&wanted.cgroup, &process.cgroups.unified))
        && wanted.environment.iter().all(|(name, pattern)| {
            process
                .environ
                .get(name)
                .is_some_and(|value| glob(pattern, value))
        })
        && wanted.labels.iter().all(|(name, pattern)| {
            let labels = process.pod.pod().map(|pod| &pod.labels);
            labels
                .and_then(|labels| labels.get(name))
                .is_some_and(|value| glob(pattern, value))
        })
        && (wanted.port == 0 || process.listens_on(wanted.port))
}

/// Whether the whole text matches; `*` stands for any text.
fn glob(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let (middle, end) = rest.rsplit_once('*').unwrap_or(("", rest));
    let Some(text) = text
        .strip_prefix(start)
        .and_then(|text| text.strip_suffix(end))
    else {
        return false;
    };
    // Taking each piece at its first place leaves the most for the pieces after it.
    middle
        .split('*')
        .try_fold(text, |text, piece| {
            text.find(piece).map(|at| &text[at + piece.len()..])
        })
        .is_some()
}

#[cfg(test)]
mod tests {
    use super::glob;

    #[test]
    fn a_star_is_any_text() {
        for (pattern, text) in [
            ("a", "a"),
            ("*", ""),
            ("a*", "abc"),
            ("*c", "abc"),
            ("a*c", "ac"),
            ("*b*", "abc"),
            ("a*b*c*d", "a-b-c-d"),
        ] {
            assert!(glob(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("a", "ab"),
            ("a*a", "a"),
            ("*b*", "ac"),
            ("a*b*c", "acb"),
            ("ab*ba", "aba"),
        ] {
            assert!(!glob(pattern, text), "{pattern} {text}");
        }
    }
}

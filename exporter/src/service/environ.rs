//! A process's environment, and the `OTEL_RESOURCE_ATTRIBUTES` in it.

use crate::config::schema::placement::is_key;

/// The variables by which joylive-agent is told where its instance is.
const JOYLIVE: [(&str, &str); 5] = [
    ("APPLICATION_LOCATION_LIVESPACE_ID", "x-live-space-id"),
    ("APPLICATION_LOCATION_UNIT", "x-live-unit"),
    ("APPLICATION_LOCATION_CELL", "x-live-cell"),
    ("APPLICATION_LOCATION_LANESPACE_ID", "x-lane-space-id"),
    ("APPLICATION_LOCATION_LANE", "x-lane-code"),
];

/// The variables of `/proc/PID/environ`, as the process was started with them.
#[derive(Clone, Debug, Default)]
pub(super) struct Environ(Vec<(String, String)>);

impl Environ {
    pub fn parse(bytes: &[u8]) -> Self {
        let variables = bytes.split(|b| *b == 0).filter_map(|variable| {
            let text = String::from_utf8_lossy(variable);
            text.split_once('=')
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
        });
        Self(variables.collect())
    }

    /// A variable's value, unless it is empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(other, _)| other == name);
        found
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// The attributes in `OTEL_RESOURCE_ATTRIBUTES`.
    pub fn resource_attributes(&self) -> Vec<(String, String)> {
        self.get("OTEL_RESOURCE_ATTRIBUTES")
            .and_then(attributes)
            .unwrap_or_default()
    }

    /// The process's own place among units, cells and lanes: `X_LIVE_UNIT=u1` is `x-live-unit=u1`,
    /// and so is joylive-agent's variable for it.
    pub fn placement(&self) -> impl Iterator<Item = (String, &str)> {
        let by_name = self.0.iter().filter_map(|(name, value)| {
            let named = name.starts_with("X_LIVE_") || name.starts_with("X_LANE_");
            if !named || value.is_empty() {
                return None;
            }
            let key = name.to_ascii_lowercase().replace('_', "-");
            is_key(&key).then_some((key, value.as_str()))
        });
        let of_joylive = JOYLIVE
            .iter()
            .filter_map(|(name, key)| Some(((*key).to_owned(), self.get(name)?)));
        by_name.chain(of_joylive)
    }
}

/// `key=value,key=value`, percent-encoded. The OpenTelemetry specification (Resource SDK) has the
/// whole of it discarded when any of it is wrong.
fn attributes(text: &str) -> Option<Vec<(String, String)>> {
    let mut attributes: Vec<(String, String)> = Vec::new();
    for member in text
        .split(',')
        .map(str::trim)
        .filter(|member| !member.is_empty())
    {
        let (key, value) = member.split_once('=')?;
        let (key, value) = (percent_decode(key.trim())?, percent_decode(value.trim())?);
        if key.is_empty() {
            return None;
        }
        attributes.retain(|(other, _)| *other != key);
        attributes.push((key, value));
    }
    Some(attributes)
}

fn percent_decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let mut digit = || bytes.next().and_then(|b| char::from(b).to_digit(16));
            let (high, low) = (digit()?, digit()?);
            out.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(key: &str, value: &str) -> (String, String) {
        (key.into(), value.into())
    }

    #[test]
    fn attributes_are_percent_decoded_and_the_last_of_a_key_wins() {
        assert_eq!(
            attributes(" team=a%2Cb , region=eu=1,team=%C3%A4"),
            Some(vec![pair("region", "eu=1"), pair("team", "ä")])
        );
    }

    #[test]
    fn one_wrong_attribute_discards_them_all() {
        for wrong in ["a=1,b", "a=%2", "a=%zz", "a=%ff", "=1"] {
            assert_eq!(attributes(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_placement_is_every_live_and_lane_variable_but_the_account() {
        let environ =
            Environ::parse(b"X_LIVE_UNIT=u1\0X_LANE_CODE=gray\0X_LIVE_UID=7\0PATH=/bin\0");
        let placement: Vec<_> = environ.placement().collect();
        assert_eq!(
            placement,
            [("x-live-unit".into(), "u1"), ("x-lane-code".into(), "gray")]
        );
    }
}

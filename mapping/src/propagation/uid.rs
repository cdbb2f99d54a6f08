//! What spans say of `x-live-uid`, which is the account of a user.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::cargo::{Cargo, Label};

/// The key of the baggage that this is about.
const KEY: &str = "x-live-uid";

/// How many hexadecimal digits of the hash are kept: 128 bits, as much as a trace id.
const DIGITS: usize = 32;

/// The fewest bytes that a key may have: the numbers of accounts can be tried out one by one, so
/// that the secrecy of the key is all that protects them.
const SHORTEST: usize = 16;

/// What spans say of `x-live-uid`.
///
/// ```
/// use lanewire_mapping::propagation::{PropagationConfig, PropagationReader, Uid, UidKey};
///
/// let key = UidKey::new("sixteen bytes or more").expect("it is long enough");
/// let reader = PropagationReader::new(&PropagationConfig::default(), Uid::Hashed { key });
/// assert!(reader.is_ok());
/// assert!(UidKey::new("short").is_err());
/// ```
#[derive(Clone, Debug, Default)]
pub enum Uid {
    /// Nothing.
    #[default]
    Off,
    /// The values as they are.
    Plain,
    /// HMAC-SHA-256 (RFC 2104) of the joined value: the first 32 hexadecimal digits. The same
    /// account can be found again, but not named.
    Hashed {
        /// The key of the hash.
        key: UidKey,
    },
}

/// The secret that accounts are hashed with.
#[derive(Clone)]
pub struct UidKey(Hmac<Sha256>);

/// Why a secret is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the key that `x-live-uid` is hashed with has {length} bytes: give it at least {SHORTEST} \
     random ones"
)]
pub struct UidKeyError {
    /// How long it is, in bytes.
    pub length: usize,
}

impl UidKey {
    /// Takes a secret.
    ///
    /// # Errors
    /// If it has fewer than 16 bytes.
    pub fn new(secret: impl AsRef<[u8]>) -> Result<Self, UidKeyError> {
        let secret = secret.as_ref();
        let error = UidKeyError {
            length: secret.len(),
        };
        if secret.len() < SHORTEST {
            return Err(error);
        }
        let mac = Hmac::new_from_slice(secret).map_err(|_| error)?;
        Ok(Self(mac))
    }

    fn hash(&self, text: &str) -> String {
        let mac = self.0.clone().chain_update(text).finalize().into_bytes();
        let digits = mac.iter().take(DIGITS / 2);
        digits.map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Debug for UidKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UidKey(..)")
    }
}

impl Uid {
    /// The values of a cargo that spans may show, or `None` if they may not show it at all. Other
    /// keys are shown as they are.
    pub(super) fn show(&self, cargo: &Cargo) -> Option<Vec<String>> {
        if !cargo.key().eq_ignore_ascii_case(KEY) {
            return Some(cargo.values().to_vec());
        }
        match self {
            Self::Off => None,
            Self::Plain => Some(cargo.values().to_vec()),
            Self::Hashed { .. } if cargo.values().is_empty() => None,
            Self::Hashed { key } => Some(vec![key.hash(&cargo.value())]),
        }
    }
}

//! Secrets of API keys: how they are made and what of them is stored.
//!
//! A secret is 256 random bits, so a plain SHA-256 of it is enough: there is nothing to guess, and a slow password
//! hash would only slow every call down. The lookup goes by that hash. Its timing tells nothing of use, because
//! nobody can choose a secret whose hash shares a prefix with a stored one.

use rand::CryptoRng;
use secrecy::SecretString;
use sha2::{Digest, Sha256};

use crate::conversation::Ids;

/// What every secret starts with, so that people and secret scanners know one when they see it.
pub const PREFIX: &str = "ponto_";

/// A new key: the secret is shown once and then lost.
#[derive(Debug)]
pub struct NewKey {
    /// `key_…`
    pub id: String,
    /// `ponto_` and 64 hexadecimal digits.
    pub secret: SecretString,
    /// What is stored in its place.
    pub hash: [u8; 32],
}

/// Makes a key.
pub fn generate(ids: &dyn Ids, rng: &mut impl CryptoRng) -> NewKey {
    let mut bytes = [0_u8; 32];
    rng.fill_bytes(&mut bytes);
    let secret = format!("{PREFIX}{}", hex::encode(bytes));
    let hash = hash(&secret);
    NewKey { id: ids.id("key_"), secret: secret.into(), hash }
}

/// SHA-256 of a secret: what [`Keys::find`](super::Keys::find) takes.
pub fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;
    use secrecy::ExposeSecret;

    use super::*;

    struct Fixed;
    impl Ids for Fixed {
        fn id(&self, prefix: &str) -> String {
            format!("{prefix}1")
        }
    }

    #[test]
    fn a_key_shows_its_secret_and_keeps_its_hash() {
        let mut rng = StdRng::seed_from_u64(7);
        let first = generate(&Fixed, &mut rng);
        let second = generate(&Fixed, &mut rng);
        assert_eq!(first.id, "key_1");
        let secret = first.secret.expose_secret();
        assert_eq!(secret.len(), PREFIX.len() + 64);
        assert!(secret.starts_with(PREFIX));
        assert_eq!(first.hash, hash(secret));
        assert_ne!(first.hash, second.hash);
        assert!(!format!("{first:?}").contains(secret), "a secret must not appear in debug output");
    }
}

//! Plain text: it is what it is.

use super::{Loaded, Structure};

pub(super) fn load(content: String) -> Loaded {
    Loaded { text: content, structure: Structure::Plain, ..Loaded::default() }
}

//! Offline evaluation against the very pipeline that serves.

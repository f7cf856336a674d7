//! Documents in, passages out: loading, chunking, and sync into store and index.

//! Every integration test, in one binary.

mod architecture;
mod config;
<<<<<<< HEAD
mod decision;
=======
mod index;
>>>>>>> a20f193 (Add the retriever: fusion, coverage, standalone queries, the analyzer behind BM25)
mod store;
mod support;

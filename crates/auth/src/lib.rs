//! Token bytes and a time in, a grant out. Keys are given, never fetched here.

#![forbid(unsafe_code)]

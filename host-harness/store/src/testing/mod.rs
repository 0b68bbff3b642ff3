//! Doubles of the seam, for the tests of crates that build on this one.

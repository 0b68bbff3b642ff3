//! How an answer tells the socket to break it off.

/// Where an answer is broken off. Travels as an extension of the response.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cut {
    /// Before anything of it is sent.
    Now,
    /// After so many bytes of its body.
    After(usize),
}

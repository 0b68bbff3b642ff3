use std::time::Duration;

/// What one request and its answer may take. Set by the platform, not by the connector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Decompressed bytes of one answer that the guest reads.
    pub read_bytes: u64,
    /// Decompressed bytes of one answer that goes to a blob.
    pub saved_bytes: u64,
    /// Bytes given to the guest at once.
    pub read_at_once: u32,
    /// Bytes of path and query.
    pub path_bytes: usize,
    /// Headers of one request, or of one part of a form.
    pub headers: usize,
    /// Bytes of those, names and values.
    pub header_bytes: usize,
    /// From sending until the answer's headers. Salesforce gives up by itself after ten minutes.
    pub headers_within: Duration,
    /// Between two pieces of a body.
    pub piece_within: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            read_bytes: 512 << 20,
            // Salesforce takes files of up to 10 GB.
            saved_bytes: 16 << 30,
            read_at_once: 1 << 20,
            path_bytes: 16 << 10,
            headers: 64,
            header_bytes: 16 << 10,
            headers_within: Duration::from_secs(600),
            piece_within: Duration::from_secs(120),
        }
    }
}

use async_trait::async_trait;
use futures::future::BoxFuture;
use host_harness::http::{Network, Transport, TransportError, TransportRequest, TransportResponse};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Called with the number of a request of this host, from 1, when it is admitted and about to be sent.
pub type BeforeSend = Arc<dyn Fn(u64) -> BoxFuture<'static, ()> + Send + Sync>;

/// The real network, with something happening before a request goes out.
pub(crate) struct Observed {
    network: Network,
    before_send: Option<BeforeSend>,
    sent: AtomicU64,
}

impl Observed {
    pub(crate) fn new(before_send: Option<BeforeSend>) -> Observed {
        Observed {
            network: Network::new().unwrap(),
            before_send,
            sent: AtomicU64::new(0),
        }
    }
}

impl std::fmt::Debug for Observed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Observed").finish_non_exhaustive()
    }
}

#[async_trait]
impl Transport for Observed {
    async fn send(&self, request: TransportRequest) -> Result<TransportResponse, TransportError> {
        if let Some(before_send) = &self.before_send {
            before_send(self.sent.fetch_add(1, Ordering::SeqCst) + 1).await;
        }
        self.network.send(request).await
    }
}

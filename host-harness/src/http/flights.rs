//! Requests under way, so that several make progress while the guest waits for one of them, or reads the body of another.
//!
//! They are futures owned by this set and polled whenever an import call of the same guest waits: no task is spawned, so that
//! with the seams replaced a host runs in one thread in one order. While the guest computes nobody polls; then the transport
//! works on by itself (see [`Transport::send`](super::Transport::send)), only retries and redirects wait for the next call.

use futures::channel::oneshot;
use futures::future::{self, BoxFuture, Either};
use futures::stream::{FuturesUnordered, StreamExt};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

/// Shared by the client, its pending requests and their answers; the last of them to go abandons what is under way.
#[derive(Clone, Default)]
pub(super) struct Flights(Arc<Mutex<FuturesUnordered<BoxFuture<'static, ()>>>>);

impl Flights {
    /// Adds a request. It is abandoned when the receiver is dropped.
    pub(super) fn launch<T: Send + 'static>(&self, request: impl Future<Output = T> + Send + 'static) -> oneshot::Receiver<T> {
        let (mut landed, receiver) = oneshot::channel();
        let flight = async move {
            let finished = match future::select(pin!(request), landed.cancellation()).await {
                Either::Left((outcome, _)) => outcome,
                Either::Right(_) => return,
            };
            // Nobody left to tell: the same as abandoned.
            let _ = landed.send(finished);
        };
        self.lock().push(Box::pin(flight));
        receiver
    }

    /// Waits for `what` while the requests under way go on.
    pub(super) async fn drive<F: Future>(&self, what: F) -> F::Output {
        let mut what = pin!(what);
        future::poll_fn(|context| {
            self.poll(context);
            what.as_mut().poll(context)
        })
        .await
    }

    /// Lets everything under way go as far as it gets without waiting.
    pub(super) async fn nudge(&self) {
        future::poll_fn(|context| {
            self.poll(context);
            Poll::Ready(())
        })
        .await;
    }

    fn poll(&self, context: &mut Context<'_>) {
        let mut flights = self.lock();
        while let Poll::Ready(Some(())) = flights.poll_next_unpin(context) {}
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, FuturesUnordered<BoxFuture<'static, ()>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

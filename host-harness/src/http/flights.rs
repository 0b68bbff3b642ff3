//! Requests under way, so that several make progress while the guest waits for one of them, or reads the body of another.
//!
//! They are futures owned by this set and polled whenever an `http` call of the same guest waits: no task is spawned, so that
//! with the seams replaced a host runs in one thread in one order. While the guest does something else nobody polls; then the
//! transport works on by itself (see [`Transport::send`](super::Transport::send)), only retries and redirects wait for the next
//! call.
//!
//! A future that nobody polls must hold nothing that somebody waits for. Gate and blobs may lock what other imports lock too,
//! so no `http` call returns while a request is [`Preparing`] an attempt.

use futures::channel::oneshot;
use futures::future::{self, BoxFuture, Either};
use futures::stream::{FuturesUnordered, StreamExt};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

type Set = FuturesUnordered<BoxFuture<'static, ()>>;

/// Shared by the client, its pending requests and their answers; the last of them to go abandons what is under way.
#[derive(Clone, Default)]
pub(super) struct Flights {
    set: Arc<Mutex<Set>>,
    preparing: Preparing,
}

/// How many requests are within gate or blobs.
#[derive(Clone, Default)]
pub(super) struct Preparing(Arc<AtomicUsize>);

impl Preparing {
    /// Until the guard is dropped.
    pub(super) fn begin(&self) -> impl Drop + Send + use<> {
        struct Begun(Preparing);
        impl Drop for Begun {
            fn drop(&mut self) {
                self.0.0.fetch_sub(1, Ordering::Relaxed);
            }
        }
        self.0.fetch_add(1, Ordering::Relaxed);
        Begun(self.clone())
    }

    fn is_over(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }
}

impl Flights {
    pub(super) fn preparing(&self) -> Preparing {
        self.preparing.clone()
    }

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

    /// Waits for `what`, which takes no lock itself, while the requests under way go on.
    pub(super) async fn drive<F: Future>(&self, what: F) -> F::Output {
        let mut what = pin!(what);
        future::poll_fn(|context| {
            self.poll(context);
            match self.preparing.is_over() {
                true => what.as_mut().poll(context),
                false => Poll::Pending,
            }
        })
        .await
    }

    fn poll(&self, context: &mut Context<'_>) {
        let mut set = self.lock();
        while let Poll::Ready(Some(())) = set.poll_next_unpin(context) {}
    }

    fn lock(&self) -> MutexGuard<'_, Set> {
        self.set.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

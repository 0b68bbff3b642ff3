//! The requests, answers and snapshots that a guest holds in one call, by the number that stands for them in its own table.
//! The rule: there is a limit on all of them together, and dropping one lets go of all that it holds.

use crate::error::SandboxLimitExceeded;
use crate::imports::{Pending, Response, Snapshot};
use futures::future::{Either, select};
use futures::stream::{FuturesUnordered, StreamExt};
use std::collections::BTreeMap;
use std::pin::pin;

/// What is under way and open.
pub struct Handles {
    limit: usize,
    next: u32,
    pub pendings: Pendings,
    pub responses: BTreeMap<u32, Box<dyn Response>>,
    pub snapshots: BTreeMap<u32, Box<dyn Snapshot>>,
}

impl Handles {
    pub fn new(limit: usize) -> Self {
        Handles {
            limit,
            next: 0,
            pendings: Pendings::default(),
            responses: BTreeMap::new(),
            snapshots: BTreeMap::new(),
        }
    }

    /// The number of the next handle; refuses where there are too many. Asked before anything is sent or opened for it.
    pub fn reserve(&mut self) -> wasmtime::Result<u32> {
        if self.pendings.0.len() + self.responses.len() + self.snapshots.len() >= self.limit {
            return Err(SandboxLimitExceeded::Handles.into());
        }
        // No call lasts long enough to come round to a number that is still in use.
        self.next = self.next.wrapping_add(1);
        Ok(self.next)
    }
}

/// Finds an open handle.
pub fn open<T: ?Sized>(among: &mut BTreeMap<u32, Box<T>>, handle: u32) -> wasmtime::Result<&mut T> {
    among
        .get_mut(&handle)
        .map(Box::as_mut)
        .ok_or_else(|| SandboxLimitExceeded::NoSuchHandle.into())
}

/// Requests under way.
#[derive(Default)]
pub struct Pendings(BTreeMap<u32, Request>);

struct Request {
    /// `None` once it was finished.
    pending: Option<Box<dyn Pending>>,
    answered: bool,
}

impl Request {
    /// Resolves when it has answered.
    async fn answered(&mut self) {
        if let (Some(pending), false) = (&mut self.pending, self.answered) {
            pending.answered().await;
        }
        self.answered = true;
    }
}

impl Pendings {
    pub fn insert(&mut self, handle: u32, pending: Box<dyn Pending>) {
        let request = Request {
            pending: Some(pending),
            answered: false,
        };
        self.0.insert(handle, request);
    }

    /// Takes the request out, to finish it; `None` where that was done before.
    pub fn finish(&mut self, handle: u32) -> wasmtime::Result<Option<Box<dyn Pending>>> {
        let request = self.0.get_mut(&handle).ok_or(SandboxLimitExceeded::NoSuchHandle)?;
        request.answered = true;
        Ok(request.pending.take())
    }

    pub fn drop(&mut self, handle: u32) {
        self.0.remove(&handle);
    }

    /// Waits for `work`, and moves every request under way on meanwhile.
    pub async fn beside<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        // Most imports answer at once: nothing is built for these.
        if let std::task::Poll::Ready(value) = futures::poll!(work.as_mut()) {
            return value;
        }
        let mut others: FuturesUnordered<_> = self.unanswered().map(|(_, request)| request.answered()).collect();
        while !others.is_empty() {
            match select(work.as_mut(), others.next()).await {
                Either::Left((value, _)) => return value,
                Either::Right(_) => {}
            }
        }
        work.await
    }

    /// The place in `of` of one that has answered, waiting for it where there is none yet.
    pub async fn first_of(&mut self, of: &[u32]) -> wasmtime::Result<usize> {
        if of.is_empty() {
            return Err(SandboxLimitExceeded::WaitAnyOfNothing.into());
        }
        for (place, handle) in of.iter().enumerate() {
            if self.0.get(handle).ok_or(SandboxLimitExceeded::NoSuchHandle)?.answered {
                return Ok(place);
            }
        }
        let mut waiting: FuturesUnordered<_> = self
            .unanswered()
            .map(|(handle, request)| async move {
                request.answered().await;
                handle
            })
            .collect();
        while let Some(answered) = waiting.next().await {
            if let Some(place) = of.iter().position(|&handle| handle == answered) {
                return Ok(place);
            }
        }
        // Each of `of` was unanswered and in `waiting`, so one of them came.
        Err(SandboxLimitExceeded::NoSuchHandle.into())
    }

    fn unanswered(&mut self) -> impl Iterator<Item = (u32, &mut Request)> {
        self.0
            .iter_mut()
            .filter(|(_, request)| !request.answered)
            .map(|(&handle, request)| (handle, request))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use async_trait::async_trait;
    use backup_contract::SendError;
    use futures::FutureExt;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
    use std::task::Poll;

    /// Answers at the n-th poll; wakes itself, as work that nobody else drives would.
    struct AtPoll {
        left: Arc<AtomicU32>,
        dropped: Arc<AtomicBool>,
    }

    impl Drop for AtPoll {
        fn drop(&mut self) {
            self.dropped.store(true, Ordering::Relaxed);
        }
    }

    #[async_trait]
    impl Pending for AtPoll {
        async fn answered(&mut self) {
            std::future::poll_fn(|cx| {
                let left = self.left.load(Ordering::Relaxed);
                if left == 0 {
                    return Poll::Ready(());
                }
                self.left.store(left - 1, Ordering::Relaxed);
                cx.waker().wake_by_ref();
                Poll::Pending
            })
            .await;
        }

        async fn finish(self: Box<Self>) -> Result<Box<dyn Response>, SendError> {
            Err(SendError::AllowanceSpent)
        }
    }

    fn under_way(handles: &mut Handles, polls: u32) -> (u32, Arc<AtomicU32>, Arc<AtomicBool>) {
        let (left, dropped) = (Arc::new(AtomicU32::new(polls)), Arc::new(AtomicBool::new(false)));
        let handle = handles.reserve().unwrap();
        let request = AtPoll {
            left: left.clone(),
            dropped: dropped.clone(),
        };
        handles.pendings.insert(handle, Box::new(request));
        (handle, left, dropped)
    }

    #[tokio::test]
    async fn requests_move_on_while_the_guest_waits_for_something_else() {
        let mut handles = Handles::new(10);
        let (_, slow, _) = under_way(&mut handles, 5);
        let until_moved = std::future::poll_fn(|cx| {
            if slow.load(Ordering::Relaxed) == 0 {
                return Poll::Ready("done");
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        });
        assert_eq!(handles.pendings.beside(until_moved).await, "done");
    }

    #[tokio::test]
    async fn the_one_that_answers_first_is_told_by_its_place() {
        let mut handles = Handles::new(10);
        let (slow, ..) = under_way(&mut handles, 1_000);
        let (fast, ..) = under_way(&mut handles, 3);
        assert_eq!(handles.pendings.first_of(&[slow, fast]).await.unwrap(), 1);
        assert_eq!(
            handles.pendings.first_of(&[slow, fast]).now_or_never().unwrap().unwrap(),
            1,
            "and again without waiting"
        );
        assert_eq!(handles.pendings.first_of(&[slow]).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn waiting_for_nothing_or_for_what_is_gone_is_refused() {
        let mut handles = Handles::new(10);
        let (gone, _, dropped) = under_way(&mut handles, 0);
        handles.pendings.drop(gone);
        assert!(dropped.load(Ordering::Relaxed));
        let nothing = handles.pendings.first_of(&[]).await.unwrap_err();
        assert!(matches!(nothing.downcast_ref(), Some(SandboxLimitExceeded::WaitAnyOfNothing)));
        let gone = handles.pendings.first_of(&[gone]).await.unwrap_err();
        assert!(matches!(gone.downcast_ref(), Some(SandboxLimitExceeded::NoSuchHandle)));
    }

    #[tokio::test]
    async fn a_request_is_finished_once() {
        let mut handles = Handles::new(10);
        let (handle, ..) = under_way(&mut handles, 9);
        assert!(handles.pendings.finish(handle).unwrap().is_some());
        assert!(handles.pendings.finish(handle).unwrap().is_none());
        assert_eq!(
            handles.pendings.first_of(&[handle]).await.unwrap(),
            0,
            "what is finished has answered"
        );
    }

    #[test]
    fn the_limit_is_on_all_handles_together() {
        let mut handles = Handles::new(2);
        let (first, ..) = under_way(&mut handles, 0);
        under_way(&mut handles, 0);
        let refused = handles.reserve().unwrap_err();
        assert!(matches!(refused.downcast_ref(), Some(SandboxLimitExceeded::Handles)));
        handles.pendings.drop(first);
        handles.reserve().unwrap();
    }
}

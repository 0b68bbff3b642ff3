//! The requests, answers and snapshots that a guest holds in one call, by the number that stands for them in its own table.
//! The rule: there is a limit on all of them together, and dropping one lets go of all that it holds.

use crate::error::SandboxLimitExceeded;
use crate::imports::{Pending, Response, Snapshot};
use futures::future::{Either, select};
use futures::stream::{FuturesUnordered, StreamExt};
use std::collections::BTreeMap;
use std::pin::pin;
use wasmtime::component::{Resource, ResourceTable, ResourceTableError};

/// A request's place in the table; the request is in [`Pendings`], since all of them are moved on together.
pub struct PendingHandle;

/// An answer or a snapshot in the table; empty while it is waited for, so that there is room for it when it comes.
pub struct Handle<T: ?Sized>(Option<Box<T>>);

/// A `response`.
pub type ResponseHandle = Handle<dyn Response>;
/// A `snapshot`.
pub type SnapshotHandle = Handle<dyn Snapshot>;

/// What is under way and open.
pub struct Handles {
    table: ResourceTable,
    pub pendings: Pendings,
}

impl From<ResourceTableError> for SandboxLimitExceeded {
    fn from(error: ResourceTableError) -> Self {
        match error {
            ResourceTableError::Full => SandboxLimitExceeded::Handles,
            _ => SandboxLimitExceeded::NoSuchHandle,
        }
    }
}

impl Handles {
    /// At most `limit` handles of all kinds together.
    pub fn new(limit: usize) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(limit);
        Handles {
            table,
            pendings: Pendings::default(),
        }
    }

    /// A place for a request. Asked for before it is sent.
    pub fn reserve_pending(&mut self) -> Result<Resource<PendingHandle>, SandboxLimitExceeded> {
        Ok(self.table.push(PendingHandle)?)
    }

    /// Lets go of a request.
    pub fn drop_pending(&mut self, handle: Resource<PendingHandle>) -> Result<(), SandboxLimitExceeded> {
        self.pendings.drop(handle.rep());
        self.table.delete(handle)?;
        Ok(())
    }

    /// A place for an answer or a snapshot. Asked for before it is waited for.
    pub fn reserve<T: ?Sized + 'static>(&mut self) -> Result<Resource<Handle<T>>, SandboxLimitExceeded>
    where
        Box<T>: Send,
    {
        Ok(self.table.push(Handle(None))?)
    }

    /// Puts what came into its place.
    pub fn fill<T: ?Sized + 'static>(
        &mut self,
        handle: &Resource<Handle<T>>,
        what: Box<T>,
    ) -> Result<(), SandboxLimitExceeded> {
        self.table.get_mut(handle)?.0 = Some(what);
        Ok(())
    }

    /// An open one, and the requests that are moved on while it works.
    pub fn open<T: ?Sized + 'static>(
        &mut self,
        handle: &Resource<Handle<T>>,
    ) -> Result<(&mut T, &mut Pendings), SandboxLimitExceeded> {
        let open = self.table.get_mut(handle)?.0.as_deref_mut();
        Ok((open.ok_or(SandboxLimitExceeded::NoSuchHandle)?, &mut self.pendings))
    }

    /// Lets go of an answer or a snapshot, or of a place that nothing came for.
    pub fn release<T: ?Sized + 'static>(&mut self, handle: Resource<Handle<T>>) -> Result<(), SandboxLimitExceeded> {
        self.table.delete(handle)?;
        Ok(())
    }
}

/// Requests under way.
#[derive(Default)]
pub struct Pendings(BTreeMap<u32, UnderWay>);

struct UnderWay {
    /// `None` once it was finished.
    pending: Option<Box<dyn Pending>>,
    answered: bool,
}

impl UnderWay {
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
        let request = UnderWay {
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

    fn unanswered(&mut self) -> impl Iterator<Item = (u32, &mut UnderWay)> {
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
        let handle = handles.reserve_pending().unwrap().rep();
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
        handles.drop_pending(Resource::new_own(gone)).unwrap();
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
        let refused = handles.reserve::<dyn Response>().unwrap_err();
        assert!(matches!(refused, SandboxLimitExceeded::Handles));
        handles.drop_pending(Resource::new_own(first)).unwrap();
        let answer = handles.reserve::<dyn Response>().unwrap();
        assert!(matches!(handles.reserve_pending(), Err(SandboxLimitExceeded::Handles)));
        handles.release(answer).unwrap();
        handles.reserve_pending().unwrap();
    }
}

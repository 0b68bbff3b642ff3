//! The `http` import of one call of an export.

use super::answer::ReceivedAnswer;
use super::blobs::Blobs;
use super::delivered::Delivered;
use super::exchange::{CallContext, Surroundings};
use super::flights::Flights;
use super::gate::Gate;
use super::limits::Limits;
use super::outgoing::Outgoing;
use super::transport::Transport;
use crate::credentials::Credentials;
use async_trait::async_trait;
use backup_contract::{Request, SendError};
use backup_runtime::imports::{Http, Pending, Response};
use backup_seams::{Clock, Randomness};
use futures::channel::oneshot;
use std::sync::Arc;

/// What a [`Client`] works with.
pub struct ClientParts {
    /// The network.
    pub transport: Arc<dyn Transport>,
    /// The connection's; they tell its origin too. Shared by all calls, so that a token is asked for once.
    pub credentials: Arc<Credentials>,
    /// Admits and counts attempts of this call.
    pub gate: Arc<dyn Gate>,
    /// The batch's blobs.
    pub blobs: Arc<dyn Blobs>,
    /// Back-off and time-outs.
    pub clock: Arc<dyn Clock>,
    /// Jitter and form boundaries.
    pub randomness: Arc<dyn Randomness>,
    /// What a request may take.
    pub limits: Limits,
}

/// Sends for one call of an export. Its calls come one at a time, as a guest makes them; requests are under way at the same time.
pub struct Client {
    context: CallContext,
}

impl Client {
    /// A client for one call.
    pub fn new(parts: ClientParts) -> Client {
        let flights = Flights::default();
        let surroundings = Surroundings {
            transport: parts.transport,
            credentials: parts.credentials,
            gate: parts.gate,
            blobs: parts.blobs,
            clock: parts.clock,
            randomness: parts.randomness,
            limits: parts.limits,
            preparing: flights.preparing(),
        };
        Client {
            context: CallContext {
                surroundings: Arc::new(surroundings),
                flights,
            },
        }
    }
}

#[async_trait]
impl Http for Client {
    async fn start(&mut self, request: Request) -> Result<Box<dyn Pending>, SendError> {
        let CallContext { surroundings, flights } = &self.context;
        let request = Outgoing::check(request, &surroundings.limits, &*surroundings.randomness)?;
        let (admitted, admission) = oneshot::channel();
        let outcome = flights.launch({
            let surroundings = Arc::clone(surroundings);
            async move {
                let attempt = surroundings.first_attempt(&request).await;
                // Whoever waits for it may be gone, then so is this flight at the next turn.
                let _ = admitted.send(attempt.as_ref().err().cloned());
                surroundings.exchange(request, attempt?).await
            }
        });
        // The flight goes on until it waits for the transport: when its admission is known here, it's under way.
        match flights.drive(admission).await {
            Ok(None) => {}
            Ok(Some(refused)) => return Err(refused),
            Err(_) => return Err(abandoned()),
        }
        Ok(Box::new(Underway {
            context: self.context.clone(),
            outcome,
            known: None,
        }))
    }
}

/// A request under way.
struct Underway {
    context: CallContext,
    outcome: oneshot::Receiver<Result<ReceivedAnswer, SendError>>,
    known: Option<Result<ReceivedAnswer, SendError>>,
}

#[async_trait]
impl Pending for Underway {
    async fn answered(&mut self) {
        if self.known.is_none() {
            let outcome = self.context.flights.drive(&mut self.outcome).await;
            // The sender is dropped without a word only with the set itself, which `self` holds.
            self.known = Some(outcome.unwrap_or_else(|_| Err(abandoned())));
        }
    }

    async fn finish(mut self: Box<Self>) -> Result<Box<dyn Response>, SendError> {
        self.answered().await;
        match self.known.take() {
            Some(outcome) => Ok(Box::new(Delivered::new(outcome?, self.context))),
            None => Err(SendError::other("finished", "this request was finished before")),
        }
    }
}

fn abandoned() -> SendError {
    SendError::OutcomeUnknown("the request was abandoned".to_owned())
}

//! One request of a connector, from its first admission to its answer: attempts, back-off, redirects, and the replay after a
//! refreshed credential. Every attempt is admitted by the gate and settled.
//!
//! What is told where the gate refuses a *further* attempt is the outcome of the last one that reached the wire: told as
//! `allowance-spent`, a refusal that stays would look like a normal end, and be sent again under every grant. Only where no
//! outcome is in hand (a redirect, a 401 before its replay, nothing sent) it is `allowance-spent`. Where the tries are used up, the
//! last attempt that reached the wire is told; `not-sent` only where none did.

use super::answer::ReceivedAnswer;
use super::blobs::Blobs;
use super::flights::{Flights, Preparing};
use super::gate::{Admission, Gate};
use super::limits::Limits;
use super::outgoing::{BrokenOff, Outgoing};
use super::retry::{ATTEMPTS, back_off, is_passing, say_retrying, wait_after};
use super::transport::{Transport, TransportBody, TransportError, TransportRequest, TransportResponse};
use crate::credentials::{Access, CredentialError, Credentials};
use backup_contract::SendError;
use backup_seams::{Clock, Randomness};
use futures::future::{self, Either};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// Redirects followed for one request; the next one is given to the connector as it is.
const HOPS: u32 = 5;

/// All that requests of one call share.
pub(super) struct Surroundings {
    pub(super) transport: Arc<dyn Transport>,
    pub(super) credentials: Arc<Credentials>,
    pub(super) gate: Arc<dyn Gate>,
    pub(super) blobs: Arc<dyn Blobs>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) randomness: Arc<dyn Randomness>,
    pub(super) limits: Limits,
    pub(super) preparing: Preparing,
}

/// What a client, its pending requests and their answers share.
#[derive(Clone)]
pub(super) struct CallContext {
    pub(super) surroundings: Arc<Surroundings>,
    pub(super) flights: Flights,
}

/// An attempt that is admitted and about to be sent.
pub(super) struct Attempt {
    access: Access,
    url: Url,
    body: TransportBody,
    broken_off: BrokenOff,
    admission: Admission,
}

/// What comes after an attempt.
enum AfterAttempt {
    Done(Result<ReceivedAnswer, SendError>),
    /// The same, after a wait; the outcome stands if the tries are used up.
    Again(Result<ReceivedAnswer, SendError>, Duration),
    /// There, at once.
    Elsewhere(Url),
    /// With another access token, at once.
    Replay(Access),
}

impl Surroundings {
    /// Everything up to the first byte: credential, URL, body, admission, in this order, so that nothing is counted for a
    /// request that can't be sent.
    pub(super) async fn first_attempt(&self, request: &Outgoing) -> Result<Attempt, SendError> {
        let access = self.credentials.access().await.map_err(before_sending)?;
        let url = self.url(&access, request)?;
        self.attempt(request, access, url).await
    }

    async fn attempt(&self, request: &Outgoing, access: Access, url: Url) -> Result<Attempt, SendError> {
        let _preparing = self.preparing.begin();
        let (body, broken_off) = request.body(&*self.blobs).await?;
        let admission = Admission::ask(&self.gate, request.cost).await?;
        Ok(Attempt {
            access,
            url,
            body,
            broken_off,
            admission,
        })
    }

    fn url(&self, access: &Access, request: &Outgoing) -> Result<Url, SendError> {
        access
            .origin()
            .url(&request.path, self.limits.path_bytes)
            .map_err(|error| SendError::NotPermitted(error.to_string()))
    }

    /// Sends until there is an outcome for the connector.
    pub(super) async fn exchange(&self, request: Outgoing, mut attempt: Attempt) -> Result<ReceivedAnswer, SendError> {
        let mut course = Course::default();
        loop {
            let Attempt {
                access,
                url,
                body,
                broken_off,
                admission,
            } = attempt;
            let number = admission.number();
            let next = match self.send(&request, &access, &url, body).await {
                Err(TransportError::NotSent(reason)) => {
                    admission.not_sent();
                    course.failed += 1;
                    if course.failed == ATTEMPTS {
                        return course.last.unwrap_or(Err(SendError::NotSent(reason)));
                    }
                    let wait = back_off(course.failed, &*self.randomness);
                    say_retrying(access.origin(), &reason, course.failed + 1, wait);
                    self.clock.sleep(wait).await;
                    attempt = match self.attempt(&request, access, url).await {
                        Ok(attempt) => attempt,
                        Err(error) => return course.instead_of(error),
                    };
                    continue;
                }
                Err(TransportError::OutcomeUnknown(reason)) => {
                    admission.answered();
                    course.sent += 1;
                    // No effect, as the source never had all of the body; and what can't be read now can't be sent again.
                    if let Some(unreadable) = broken_off.why() {
                        return Err(unreadable);
                    }
                    let outcome = Err(SendError::OutcomeUnknown(reason));
                    match !self.gate.is_one_attempt() && course.another_try(&request) {
                        true => AfterAttempt::Again(outcome, back_off(course.failed, &*self.randomness)),
                        false => AfterAttempt::Done(outcome),
                    }
                }
                Ok(response) => {
                    admission.answered();
                    course.sent += 1;
                    let answer = ReceivedAnswer::new(response, number, course.sent);
                    if self.gate.is_one_attempt() {
                        return self.only(&access, answer).await;
                    }
                    self.judge(&request, &mut course, &access, &url, answer).await?
                }
            };
            attempt = match next {
                AfterAttempt::Done(outcome) => return outcome,
                AfterAttempt::Again(outcome, wait) => {
                    course.last = Some(outcome);
                    self.clock.sleep(wait).await;
                    match self.attempt(&request, access, url).await {
                        Ok(attempt) => attempt,
                        Err(error) => return course.instead_of(error),
                    }
                }
                AfterAttempt::Elsewhere(url) => self.attempt(&request, access, url).await?,
                AfterAttempt::Replay(access) => {
                    let url = self.url(&access, &request)?;
                    self.attempt(&request, access, url).await?
                }
            };
        }
    }

    /// The answer of a request that is not made again. A refused token is renewed for whoever asks next.
    async fn only(&self, access: &Access, answer: ReceivedAnswer) -> Result<ReceivedAnswer, SendError> {
        if answer.status == StatusCode::UNAUTHORIZED && self.credentials.renewed(access).await.map_err(after_refusal)?.is_some()
        {
            let text = "the access token had run out; it is renewed, and the question waits for the next time";
            return Err(SendError::other("token-renewed", text));
        }
        Ok(answer)
    }

    /// What an answer means for the host. That it is an answer for the connector is the normal case.
    async fn judge(
        &self,
        request: &Outgoing,
        course: &mut Course,
        access: &Access,
        url: &Url,
        answer: ReceivedAnswer,
    ) -> Result<AfterAttempt, SendError> {
        let status = answer.status;
        if status == StatusCode::UNAUTHORIZED && !course.replayed {
            course.replayed = true;
            return Ok(match self.credentials.renewed(access).await.map_err(after_refusal)? {
                Some(access) => AfterAttempt::Replay(access),
                None => AfterAttempt::Done(Ok(answer)),
            });
        }
        if let Some(target) = redirect(status, &answer.headers, url)? {
            if !access.origin().holds(&target) {
                let text = format!(
                    "the source redirects to {0}, another origin; if that is the org's address now, set \"instance_url\" to {0}",
                    bare(&target)
                );
                return Err(SendError::NotPermitted(text));
            }
            if keeps_method(status, &request.method) && course.hops < HOPS {
                course.hops += 1;
                return Ok(AfterAttempt::Elsewhere(target));
            }
        }
        if is_passing(status) && course.another_try(request) {
            let own = back_off(course.failed, &*self.randomness);
            if let Some(wait) = wait_after(&answer.headers, own, self.clock.now()) {
                return Ok(AfterAttempt::Again(Ok(answer), wait));
            }
        }
        Ok(AfterAttempt::Done(Ok(answer)))
    }

    /// One attempt on the wire.
    async fn send(
        &self,
        request: &Outgoing,
        access: &Access,
        url: &Url,
        body: TransportBody,
    ) -> Result<TransportResponse, TransportError> {
        let mut headers = request.headers.clone();
        let mut value = HeaderValue::from_str(&format!("Bearer {}", access.token().expose()))
            .map_err(|_| TransportError::NotSent("the access token holds characters that no header can carry".to_owned()))?;
        value.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, value);
        let request = TransportRequest {
            method: request.method.clone(),
            url: url.clone(),
            headers,
            body,
        };
        let within = self.limits.headers_within;
        match future::select(self.transport.send(request), self.clock.deadline(within)).await {
            Either::Left((outcome, _)) => outcome,
            Either::Right(_) => Err(TransportError::OutcomeUnknown(format!(
                "no answer within {} seconds",
                within.as_secs()
            ))),
        }
    }
}

/// How far one request has come.
#[derive(Default)]
struct Course {
    /// Attempts on the wire.
    sent: u32,
    /// Those, and attempts that never reached it, that failed for a passing reason.
    failed: u32,
    hops: u32,
    replayed: bool,
    /// Outcome of the last attempt on the wire.
    last: Option<Result<ReceivedAnswer, SendError>>,
}

impl Course {
    /// Counts a failure of an attempt on the wire; whether it may be repeated.
    fn another_try(&mut self, request: &Outgoing) -> bool {
        self.failed += 1;
        request.repeatable && self.failed < ATTEMPTS
    }

    /// What is told where a further attempt can't be made: what is in hand, where the allowance is all that is missing.
    fn instead_of(self, error: SendError) -> Result<ReceivedAnswer, SendError> {
        match error {
            SendError::AllowanceSpent => self.last.unwrap_or(Err(error)),
            error => Err(error),
        }
    }
}

/// Where an answer redirects to, resolved; `None` where it doesn't.
fn redirect(status: StatusCode, headers: &HeaderMap, from: &Url) -> Result<Option<Url>, SendError> {
    if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let Some(location) = headers.get(header::LOCATION) else {
        return Ok(None);
    };
    let target = location.to_str().ok().and_then(|location| from.join(location).ok());
    let mut target = target.ok_or_else(|| SendError::NotPermitted("the source redirects to what is no URL".to_owned()))?;
    target.set_fragment(None);
    Ok(Some(target))
}

/// Whether following sends the same request: only then is a redirect the host's affair. A 303 after a POST, for instance, says
/// that the POST had its effect; what to fetch then is the connector's to decide.
fn keeps_method(status: StatusCode, method: &Method) -> bool {
    matches!(status.as_u16(), 307 | 308) || matches!(*method, Method::GET | Method::HEAD)
}

/// Scheme and host only: a redirect's query may hold a session.
fn bare(url: &Url) -> String {
    format!("{}://{}", url.scheme(), url.host_str().unwrap_or_default())
}

/// No credential, nothing sent.
fn before_sending(error: CredentialError) -> SendError {
    match error.is_passing() {
        true => SendError::NotSent(error.to_string()),
        false => SendError::other("credentials-refused", error.to_string()),
    }
}

/// The source refused the credential, and there is no other; what the login host says tells more than the 401.
fn after_refusal(error: CredentialError) -> SendError {
    let name = if error.is_passing() {
        "credentials-unavailable"
    } else {
        "credentials-refused"
    };
    SendError::other(name, error.to_string())
}

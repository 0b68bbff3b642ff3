//! The socket: accepts connections, and can break them off as no HTTP framework would.
//!
//! Rule: an answer that carries a [`Cut`] never arrives whole.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use hyper_util::rt::TokioIo;
use tokio::sync::oneshot;
use tower::ServiceExt as _;

use super::cut::Cut;
use super::{ServerState, entry};
use crate::quota::HeaderForm;

/// Counts the connections that are open.
#[derive(Clone, Debug, Default)]
pub(crate) struct OpenConnections(Arc<(Mutex<usize>, Condvar)>);

impl OpenConnections {
    /// One more, until what this gives is dropped.
    fn opened(&self) -> OpenConnection {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        OpenConnection(self.clone())
    }

    /// Waits until none is.
    pub(super) fn wait_for_none(&self) {
        let (count, closed) = &*self.0;
        let count = count.lock().unwrap_or_else(PoisonError::into_inner);
        drop(closed.wait_while(count, |count| *count > 0));
    }
}

/// An open connection.
struct OpenConnection(OpenConnections);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        let (count, closed) = &*self.0.0;
        *count.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        closed.notify_all();
    }
}

/// The connection was cut on purpose.
#[derive(Debug, thiserror::Error)]
#[error("the connection was cut on purpose")]
struct CutOnPurpose;

/// Serves until told to stop.
pub(super) async fn serve(listener: std::net::TcpListener, shared: ServerState, mut stopped: oneshot::Receiver<()>) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            eprintln!("fake-salesforce can't listen: {error}");
            return;
        }
    };
    let router = entry::router(shared.clone());
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = &mut stopped => return,
        };
        let Ok((stream, _)) = accepted else { continue };
        let _ = stream.set_nodelay(true); // only slower without
        let router = router.clone();
        // Header names are of one case for a whole connection.
        let title_case = shared.service.quota.header_form() != HeaderForm::LowerCaseName;
        let open = shared.open.opened();
        tokio::spawn(async move {
            let _open = open;
            let service = hyper::service::service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
                let router = router.clone();
                async move { finish(router.oneshot(request.map(Body::new)).await) }
            });
            // An error here is a connection that one of the two sides broke off.
            let _ = hyper::server::conn::http1::Builder::new()
                .title_case_headers(title_case)
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

/// Carries a cut out.
fn finish(response: Result<Response, Infallible>) -> Result<Response<CutBody>, CutOnPurpose> {
    let Ok(response) = response;
    match response.extensions().get::<Cut>().copied() {
        Some(Cut::Now) => Err(CutOnPurpose),
        Some(Cut::After(bytes)) => Ok(response.map(|body| CutBody::new(body, Some(bytes)))),
        None => Ok(response.map(|body| CutBody::new(body, None))),
    }
}

/// How long what was sent before a cut has to leave: hyper drops what it still holds when a body fails.
const TIME_TO_LEAVE: Duration = Duration::from_millis(50);

/// A body that may break off after a number of bytes.
struct CutBody {
    body: Body,
    /// Bytes until it breaks off; none: never.
    left: Option<usize>,
    /// Runs once the last byte is handed over.
    leaving: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl CutBody {
    fn new(body: Body, left: Option<usize>) -> Self {
        Self {
            body,
            left,
            leaving: None,
        }
    }
}

impl http_body::Body for CutBody {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Some(left) = self.left.filter(|left| *left > 0) {
            match std::task::ready!(http_body::Body::poll_frame(Pin::new(&mut self.body), context)) {
                Some(Ok(frame)) => {
                    let kept = frame
                        .into_data()
                        .map(|data| data.slice(..left.min(data.len())))
                        .unwrap_or_default();
                    self.left = Some(left - kept.len());
                    return Poll::Ready(Some(Ok(Frame::data(kept))));
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                // A short answer breaks off too, instead of ending well before the cut.
                None => self.left = Some(0),
            }
        }
        if self.left.is_none() {
            let frame = std::task::ready!(http_body::Body::poll_frame(Pin::new(&mut self.body), context));
            return Poll::Ready(frame.map(|f| f.map_err(Into::into)));
        }
        let leaving = self
            .leaving
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(TIME_TO_LEAVE)));
        std::task::ready!(leaving.as_mut().poll(context));
        Poll::Ready(Some(Err(Box::new(CutOnPurpose))))
    }

    fn size_hint(&self) -> SizeHint {
        http_body::Body::size_hint(&self.body)
    }
}

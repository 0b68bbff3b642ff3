//! The socket: accepts connections, and can break them off as no HTTP framework would.
//!
//! Rule: an answer that carries a [`Cut`] never arrives whole.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use hyper_util::rt::TokioIo;
use tokio::sync::oneshot;
use tower::ServiceExt as _;

use super::{Shared, entry};
use crate::quota::HeaderForm;

/// Where an answer is broken off. Travels as an extension of the response.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cut {
    /// Before anything of it is sent.
    Now,
    /// After so many bytes of its body.
    After(usize),
}

/// The connection was cut on purpose.
#[derive(Debug, thiserror::Error)]
#[error("the connection was cut on purpose")]
struct CutOnPurpose;

/// Serves until told to stop.
pub(super) async fn serve(listener: std::net::TcpListener, shared: Shared, mut stopped: oneshot::Receiver<()>) {
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
        tokio::spawn(async move {
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
        Some(Cut::After(bytes)) => Ok(response.map(|body| CutBody { body, left: Some(bytes) })),
        None => Ok(response.map(|body| CutBody { body, left: None })),
    }
}

/// A body that breaks off after a number of bytes.
struct CutBody {
    body: Body,
    left: Option<usize>,
}

impl http_body::Body for CutBody {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.left == Some(0) {
            return Poll::Ready(Some(Err(Box::new(CutOnPurpose))));
        }
        let frame = std::task::ready!(http_body::Body::poll_frame(Pin::new(&mut self.body), context));
        Poll::Ready(match (frame, self.left) {
            (Some(Ok(frame)), Some(left)) => {
                let kept = frame
                    .into_data()
                    .map(|data| data.slice(..left.min(data.len())))
                    .unwrap_or_default();
                self.left = Some(left - kept.len());
                Some(Ok(Frame::data(kept)))
            }
            // Also a short answer breaks off, instead of ending well before the cut.
            (None, Some(_)) => Some(Err(Box::new(CutOnPurpose))),
            (frame, _) => frame.map(|f| f.map_err(Into::into)),
        })
    }

    fn size_hint(&self) -> SizeHint {
        http_body::Body::size_hint(&self.body)
    }
}

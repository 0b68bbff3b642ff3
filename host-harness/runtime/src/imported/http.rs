//! Interface `http`.

use super::CallState;
use crate::bindings::http;
use crate::handles::{PendingHandle, ResponseHandle};
use backup_contract::SendError;
use wasmtime::Result as Trappable;
use wasmtime::component::Resource;

impl http::Host for CallState {
    async fn start(&mut self, what: http::Request) -> Trappable<Result<Resource<PendingHandle>, http::SendError>> {
        let export = self.export.name();
        let (imports, handles) = self.parts("http.start")?;
        let Some(http) = &mut imports.http else {
            return Ok(Err(http::SendError::NotPermitted(format!(
                "nothing may be sent in `{export}`"
            ))));
        };
        let handle = handles.reserve_pending()?;
        match handles.pendings.beside(http.start(what.into())).await {
            Ok(pending) => {
                handles.pendings.insert(handle.rep(), pending);
                Ok(Ok(handle))
            }
            Err(error) => {
                handles.drop_pending(handle)?;
                Ok(Err(error.into()))
            }
        }
    }

    async fn wait_any(&mut self, of: Vec<Resource<PendingHandle>>) -> Trappable<u32> {
        let of: Vec<u32> = of.iter().map(Resource::rep).collect();
        let place = self.handles.pendings.first_of(&of).await?;
        Ok(u32::try_from(place)?)
    }
}

impl http::HostPending for CallState {
    async fn finish(
        &mut self,
        pending: Resource<PendingHandle>,
    ) -> Trappable<Result<Resource<ResponseHandle>, http::SendError>> {
        let handle = self.handles.reserve()?;
        let Some(pending) = self.handles.pendings.finish(pending.rep())? else {
            self.handles.release(handle)?;
            let again = SendError::other("finished", "this request was finished before");
            return Ok(Err(again.into()));
        };
        match self.handles.pendings.beside(pending.finish()).await {
            Ok(response) => {
                self.handles.fill(&handle, response)?;
                Ok(Ok(handle))
            }
            Err(error) => {
                self.handles.release(handle)?;
                Ok(Err(error.into()))
            }
        }
    }

    async fn drop(&mut self, pending: Resource<PendingHandle>) -> Trappable<()> {
        Ok(self.handles.drop_pending(pending)?)
    }
}

impl http::HostResponse for CallState {
    async fn status(&mut self, response: Resource<ResponseHandle>) -> Trappable<u16> {
        Ok(self.handles.open(&response)?.0.status())
    }

    async fn header(&mut self, response: Resource<ResponseHandle>, name: String) -> Trappable<Option<String>> {
        Ok(self.handles.open(&response)?.0.header(&name))
    }

    async fn request_number(&mut self, response: Resource<ResponseHandle>) -> Trappable<u64> {
        Ok(self.handles.open(&response)?.0.request_number())
    }

    async fn attempts(&mut self, response: Resource<ResponseHandle>) -> Trappable<u32> {
        Ok(self.handles.open(&response)?.0.attempts())
    }

    async fn read(&mut self, response: Resource<ResponseHandle>, max: u32) -> Trappable<Result<Vec<u8>, http::SendError>> {
        let max = max.min(self.limits.read);
        let (response, pendings) = self.handles.open(&response)?;
        let read = pendings.beside(response.read(max)).await;
        Ok(read.map(Vec::from).map_err(http::SendError::from))
    }

    async fn save(&mut self, response: Resource<ResponseHandle>, blob: String) -> Trappable<Result<u64, http::SendError>> {
        let (response, pendings) = self.handles.open(&response)?;
        let saved = pendings.beside(response.save(&blob)).await;
        Ok(saved.map_err(http::SendError::from))
    }

    async fn drop(&mut self, response: Resource<ResponseHandle>) -> Trappable<()> {
        Ok(self.handles.release(response)?)
    }
}

//! Interface `http`.

use super::CallState;
use super::handles::open;
use crate::bindings::{PendingHandle, ResponseHandle, http};
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
        let handle = handles.reserve()?;
        match handles.pendings.beside(http.start(what.into())).await {
            Ok(pending) => {
                handles.pendings.insert(handle, pending);
                Ok(Ok(Resource::new_own(handle)))
            }
            Err(error) => Ok(Err(error.into())),
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
            let again = SendError::other("finished", "this request was finished before");
            return Ok(Err(again.into()));
        };
        match self.handles.pendings.beside(pending.finish()).await {
            Ok(response) => {
                self.handles.responses.insert(handle, response);
                Ok(Ok(Resource::new_own(handle)))
            }
            Err(error) => Ok(Err(error.into())),
        }
    }

    async fn drop(&mut self, pending: Resource<PendingHandle>) -> Trappable<()> {
        self.handles.pendings.drop(pending.rep());
        Ok(())
    }
}

impl http::HostResponse for CallState {
    async fn status(&mut self, response: Resource<ResponseHandle>) -> Trappable<u16> {
        Ok(open(&mut self.handles.responses, response.rep())?.status())
    }

    async fn header(&mut self, response: Resource<ResponseHandle>, name: String) -> Trappable<Option<String>> {
        Ok(open(&mut self.handles.responses, response.rep())?.header(&name))
    }

    async fn request_number(&mut self, response: Resource<ResponseHandle>) -> Trappable<u64> {
        Ok(open(&mut self.handles.responses, response.rep())?.request_number())
    }

    async fn attempts(&mut self, response: Resource<ResponseHandle>) -> Trappable<u32> {
        Ok(open(&mut self.handles.responses, response.rep())?.attempts())
    }

    async fn read(&mut self, response: Resource<ResponseHandle>, max: u32) -> Trappable<Result<Vec<u8>, http::SendError>> {
        let max = max.min(self.limits.read);
        let response = open(&mut self.handles.responses, response.rep())?;
        let read = self.handles.pendings.beside(response.read(max)).await;
        Ok(read.map(Vec::from).map_err(http::SendError::from))
    }

    async fn save(&mut self, response: Resource<ResponseHandle>, blob: String) -> Trappable<Result<u64, http::SendError>> {
        let response = open(&mut self.handles.responses, response.rep())?;
        let saved = self.handles.pendings.beside(response.save(&blob)).await;
        Ok(saved.map_err(http::SendError::from))
    }

    async fn drop(&mut self, response: Resource<ResponseHandle>) -> Trappable<()> {
        self.handles.responses.remove(&response.rep());
        Ok(())
    }
}

//! Real TLS. Which roots are trusted is read from the environment once per process, so the client runs in a process of its own:
//! this test program again, told to run the one test that is ignored otherwise.
#![allow(clippy::unwrap_used)]

use super::doubles::{Bench, body, error, get};
use super::server::{Server, answer};
use backup_contract::SendError;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::process::Output;
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

const ORIGIN: &str = "BACKUP_HOST_TEST_TLS_ORIGIN";

/// An authority of its own, and a server that it vouches for under `name`.
fn authority(name: &str) -> (String, TlsAcceptor) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![name.to_owned()])
        .unwrap()
        .signed_by(&key, &authority)
        .unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    (authority.pem(), TlsAcceptor::from(Arc::new(config)))
}

/// Runs a test of this program with these roots.
async fn run(test: &str, roots: &str, origin: &str) -> Output {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), roots).unwrap();
    let module = module_path!().split_once("::").unwrap().1;
    let output = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("{module}::{test}"), "--ignored", "--nocapture"])
        .env("SSL_CERT_FILE", file.path())
        .env(ORIGIN, origin)
        .output()
        .await
        .unwrap();
    assert!(
        String::from_utf8_lossy(&output.stdout).contains("running 1 test"),
        "{output:?}"
    );
    output
}

#[tokio::test]
async fn a_certificate_under_a_root_of_ssl_cert_file_is_trusted() {
    let (root, acceptor) = authority("localhost");
    let server = Server::listen(Some(acceptor), |_, _| answer(200, "over TLS")).await;
    let origin = server.origin.replace("127.0.0.1", "localhost");
    let output = run("a_child_process_sends_over_tls", &root, &origin).await;
    assert!(output.status.success(), "{output:?}");
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn another_root_or_another_name_sends_nothing() {
    let (root, acceptor) = authority("localhost");
    let (other_root, _) = authority("localhost");
    let server = Server::listen(Some(acceptor), |_, _| answer(200, "over TLS")).await;
    let named = server.origin.replace("127.0.0.1", "localhost");
    for (roots, origin) in [(&other_root, &named), (&root, &server.origin)] {
        let output = run("a_child_process_is_refused_over_tls", roots, origin).await;
        assert!(output.status.success(), "{output:?}");
    }
    assert!(server.seen().is_empty());
}

#[tokio::test]
#[ignore = "run by the tests above, in a process of its own"]
async fn a_child_process_sends_over_tls() {
    let bench = Bench::new(&std::env::var(ORIGIN).unwrap());
    let mut response = bench.send(get("/x")).await.unwrap();
    assert_eq!(body(&mut response).await.unwrap(), b"over TLS");
}

#[tokio::test]
#[ignore = "run by the tests above, in a process of its own"]
async fn a_child_process_is_refused_over_tls() {
    let bench = Bench::new(&std::env::var(ORIGIN).unwrap());
    let outcome = error(bench.send(get("/x")).await);
    assert!(
        matches!(&outcome, SendError::NotSent(text) if text.contains("certificate")),
        "{outcome:?}"
    );
    assert_eq!(bench.gate.counted(), 0);
}

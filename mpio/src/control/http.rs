//! Where Prometheus asks: `GET /metrics` over TCP or a unix socket, on the control thread. A scrape costs a copy of the snapshots; one that hangs is
//! left after a moment.
#![forbid(unsafe_code)]

use super::{Control, metrics, sockets};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Deserializer, de};
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;

const PATIENCE: Duration = Duration::from_secs(10);
const SCRAPES_MAX: usize = 16;

/// `"127.0.0.1:9090"`, or `"unix:/run/mpio-metrics.sock"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl std::str::FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Listen, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            let path = PathBuf::from(path);
            return match path.is_absolute() {
                true => Ok(Listen::Unix(path)),
                false => Err(format!("\"{text}\": a unix socket has an absolute path")),
            };
        }
        text.parse().map(Listen::Tcp).map_err(|_| {
            format!("\"{text}\": an address and a port (127.0.0.1:9090), or unix:/path/of/a.sock")
        })
    }
}

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Listen, D::Error> {
        String::deserialize(from)?
            .parse()
            .map_err(de::Error::custom)
    }
}

/// A place to ask at, before the runtime runs; the unix socket goes with it.
#[derive(Debug)]
pub enum Bound {
    Tcp(std::net::TcpListener),
    Unix(std::os::unix::net::UnixListener),
}

pub fn bind(listen: &Listen) -> io::Result<Bound> {
    match listen {
        Listen::Tcp(at) => {
            let socket = std::net::TcpListener::bind(at)?;
            socket.set_nonblocking(true)?;
            Ok(Bound::Tcp(socket))
        }
        Listen::Unix(path) => {
            let taken = std::os::unix::net::UnixStream::connect(path).is_ok();
            if taken {
                return Err(io::ErrorKind::AddrInUse.into());
            }
            sockets::make_room(path)?;
            let socket = std::os::unix::net::UnixListener::bind(path)?;
            socket.set_nonblocking(true)?;
            Ok(Bound::Unix(socket))
        }
    }
}

pub async fn serve(bound: Bound, control: Arc<Control>) -> io::Result<()> {
    let places = Arc::new(Semaphore::new(SCRAPES_MAX));
    match bound {
        Bound::Tcp(socket) => {
            let socket = tokio::net::TcpListener::from_std(socket)?;
            loop {
                let client = socket.accept().await.map(|(client, _)| client);
                attend(client, &places, &control).await;
            }
        }
        Bound::Unix(socket) => {
            let socket = tokio::net::UnixListener::from_std(socket)?;
            loop {
                let client = socket.accept().await.map(|(client, _)| client);
                attend(client, &places, &control).await;
            }
        }
    }
}

async fn attend<S>(client: io::Result<S>, places: &Arc<Semaphore>, control: &Arc<Control>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Ok(client) = client else {
        // No descriptors left, say: not a reason to spin.
        return tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let Ok(place) = places.clone().acquire_owned().await else {
        return;
    };
    let control = control.clone();
    tokio::spawn(async move {
        let answer = service_fn(|request: Request<Incoming>| {
            let answer = answer(request.method(), request.uri().path(), &control);
            async { Ok::<_, Infallible>(answer) }
        });
        let talk = hyper::server::conn::http1::Builder::new()
            .keep_alive(false)
            .serve_connection(TokioIo::new(client), answer);
        let _ = tokio::time::timeout(PATIENCE, talk).await;
        drop(place);
    });
}

fn answer(method: &Method, path: &str, control: &Control) -> Response<Full<Bytes>> {
    let plain = |status, text: String| {
        let mut response = Response::new(Full::new(Bytes::from(text)));
        *response.status_mut() = status;
        response
    };
    if method != Method::GET {
        return plain(StatusCode::METHOD_NOT_ALLOWED, "GET only\n".into());
    }
    if path != "/metrics" {
        return plain(StatusCode::NOT_FOUND, "see /metrics\n".into());
    }
    match metrics::render(&control.names(), control.snapshots()) {
        Ok(text) => {
            let mut response = plain(StatusCode::OK, text);
            let kind = header::HeaderValue::from_static(metrics::CONTENT_TYPE);
            response.headers_mut().insert(header::CONTENT_TYPE, kind);
            response
        }
        Err(e) => plain(StatusCode::INTERNAL_SERVER_ERROR, format!("{e}\n")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::tests::daemon_with;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    #[test]
    fn addresses_are_read_or_refused_with_what_would_be_right() {
        let tcp = "127.0.0.1:9090".parse::<Listen>().unwrap();
        assert_eq!(tcp, Listen::Tcp(([127, 0, 0, 1], 9090).into()));
        let unix = "unix:/run/m.sock".parse::<Listen>().unwrap();
        assert_eq!(unix, Listen::Unix("/run/m.sock".into()));
        for (text, why) in [
            ("unix:m.sock", "absolute"),
            ("9090", "an address and a port"),
        ] {
            let error = text.parse::<Listen>().unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn a_scrape_is_answered_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let metrics = folder.path().join("metrics.sock");
        let listen = Listen::Unix(metrics.clone());
        let d = daemon_with(&folder.path().join("mpio.sock"), Some(&listen));
        let get = |request: &str| {
            let mut s = UnixStream::connect(&metrics).unwrap();
            s.write_all(request.as_bytes()).unwrap();
            let mut text = String::new();
            s.read_to_string(&mut text).unwrap();
            text
        };
        let text = get("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
        assert!(text.starts_with("HTTP/1.1 200"), "{text}");
        assert!(text.contains("openmetrics-text") && text.ends_with("# EOF\n"));
        assert!(text.contains("mpio_path_usable{volume=\"db\",path=\"/dev/sda\"} 1"));
        assert!(get("GET / HTTP/1.1\r\nHost: x\r\n\r\n").starts_with("HTTP/1.1 404"));
        assert!(get("POST /metrics HTTP/1.1\r\nHost: x\r\n\r\n").starts_with("HTTP/1.1 405"));
        let second = bind(&listen).unwrap_err();
        assert_eq!(second.kind(), io::ErrorKind::AddrInUse);
        drop(d);
        assert!(!metrics.exists());
    }
}

//! `medley web`: the page, served to this machine.

use std::borrow::Cow;
use std::fs;
use std::net::Ipv4Addr;
use std::ops::Range;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::thread;

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use tiny_http::{Header, Method, Request, Response, Server, StatusCode};

use super::ALL_GOOD;

pub const EXAMPLES: &str = "\
Examples:
  medley web                        # then open the address it prints
  medley web --port 9000
  medley web --folder web/dist      # files that are being worked on";

/// The page's files by name; none where the program was built before the page.
static PAGE: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/page.rs"));

/// Requests answered at a time.
const THREADS: usize = 4;

/// Where to serve it.
#[derive(Args)]
pub struct Arguments {
    /// The port on this machine; 0 takes any that is free
    #[arg(long, default_value_t = 8600, value_name = "PORT")]
    port: u16,
    /// Serve the files of this folder instead of the program's own
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
}

/// Serves the page until the process ends.
pub fn run(arguments: &Arguments) -> Result<u8> {
    match &arguments.folder {
        Some(folder) if !folder.join("index.html").is_file() => {
            bail!("{} holds no page: web/build.sh makes one in web/dist", folder.display());
        }
        None if PAGE.is_empty() => bail!(
            "this program was built without the page: run web/build.sh, then build it again, or name a folder with --folder"
        ),
        _ => {}
    }
    let server = Server::http((Ipv4Addr::LOCALHOST, arguments.port))
        .map_err(|error| anyhow!("{error}"))
        .with_context(|| format!("could not listen on port {}; another one: --port", arguments.port))?;
    let server = Arc::new(server);
    super::print(&format_args!("http://{}/", server.server_addr()));
    let workers = (0..THREADS).map(|_| {
        let (server, folder) = (Arc::clone(&server), arguments.folder.clone());
        thread::spawn(move || {
            while let Ok(request) = server.recv() {
                // Whoever left before the answer came does not want it any more.
                let _ = answer(request, folder.as_deref());
            }
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.join().map_err(|_| anyhow!("a thread of the server failed"))?;
    }
    Ok(ALL_GOOD)
}

fn answer(request: Request, folder: Option<&Path>) -> std::io::Result<()> {
    if !matches!(request.method(), Method::Get | Method::Head) {
        return request.respond(Response::empty(StatusCode(405)));
    }
    let path = request.url().split(['?', '#']).next().unwrap_or_default();
    let name = match path.trim_start_matches('/') {
        "" => "index.html".to_owned(),
        name => name.to_owned(),
    };
    let Some(bytes) = find(&name, folder) else {
        return request.respond(Response::from_string("not found").with_status_code(404));
    };
    let range = request.headers().iter().find(|header| header.field.equiv("Range"));
    let range = range.map(|header| part(header.value.as_str(), bytes.len()));
    let response = match range {
        Some(Some(range)) => {
            let about = format!("bytes {}-{}/{}", range.start, range.end - 1, bytes.len());
            Response::from_data(&bytes[range]).with_status_code(206).with_header(header("Content-Range", &about))
        }
        Some(None) => Response::from_data(Vec::new()).with_status_code(416),
        None => Response::from_data(bytes.as_ref()),
    };
    let mut response = response
        .with_header(header("Content-Type", media_type(&name)))
        .with_header(header("Accept-Ranges", "bytes"))
        .with_header(header("Cache-Control", "no-cache"))
        .with_header(header("X-Content-Type-Options", "nosniff"));
    let index = find("index.html", folder).unwrap_or_default();
    if let Some(policy) = policy(&index) {
        response.add_header(policy);
    }
    request.respond(response)
}

/// The policy that the page's text states, as the header that its workers obey too.
fn policy(index: &[u8]) -> Option<Header> {
    const FIELD: &str = "Content-Security-Policy";
    let index = std::str::from_utf8(index).ok()?;
    let (_, stated) = index.split_once(&format!(r#"http-equiv="{FIELD}" content=""#))?;
    let (policy, _) = stated.split_once('"')?;
    Header::from_bytes(FIELD, policy).ok()
}

/// A file of the page, or of the folder that stands for it.
fn find(name: &str, folder: Option<&Path>) -> Option<Cow<'static, [u8]>> {
    let Some(folder) = folder else {
        return PAGE.iter().find(|(known, _)| *known == name).map(|(_, bytes)| Cow::Borrowed(*bytes));
    };
    // Nothing above or beside the folder.
    let is_inside = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
    is_inside.then(|| fs::read(folder.join(name)).ok()).flatten().map(Cow::Owned)
}

/// The bytes that a `Range` header asks for, of so many: one stretch, as browsers ask.
fn part(header: &str, length: usize) -> Option<Range<usize>> {
    let (start, end) = header.strip_prefix("bytes=")?.split_once('-')?;
    let range = match (start.parse::<usize>(), end.parse::<usize>()) {
        (Ok(start), Ok(end)) => start..end.saturating_add(1).min(length),
        (Ok(start), Err(_)) if end.is_empty() => start..length,
        (Err(_), Ok(last)) if start.is_empty() => length.saturating_sub(last)..length,
        _ => return None,
    };
    (range.start < range.end).then_some(range)
}

fn media_type(name: &str) -> &'static str {
    match Path::new(name).extension().and_then(|ending| ending.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("json") => "application/json",
        Some("webmanifest") => "application/manifest+json",
        Some("wasm") => "application/wasm",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("ts" | "txt" | "md") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

fn header(field: &str, value: &str) -> Header {
    Header::from_bytes(field, value).expect("names and values here are plain text")
}

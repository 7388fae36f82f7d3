//! `medley web`: the page, served to this machine.

use std::borrow::Cow;
use std::fs;
use std::io::Write;
use std::net::Ipv4Addr;
use std::ops::Range;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::thread;

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use tiny_http::{Method, Request, Server};

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

/// What every file is sent with. The last two let the threads of the page share their memory.
const FIELDS: [&str; 5] = [
    "Accept-Ranges: bytes\r\n",
    "Cache-Control: no-cache\r\n",
    "X-Content-Type-Options: nosniff\r\n",
    "Cross-Origin-Opener-Policy: same-origin\r\n",
    "Cross-Origin-Embedder-Policy: require-corp\r\n",
];

/// An answer on its way.
struct Answer<'a> {
    status: &'static str,
    media_type: &'a str,
    /// Further lines of the head, each with its end.
    more: String,
    body: &'a [u8],
}

fn answer(request: Request, folder: Option<&Path>) -> std::io::Result<()> {
    let plain = |status, body| Answer { status, media_type: "text/plain", more: String::new(), body };
    if !matches!(request.method(), Method::Get | Method::Head) {
        return send(request, &plain("405 Method Not Allowed", b"only GET and HEAD"));
    }
    let path = request.url().split(['?', '#']).next().unwrap_or_default();
    let name = match path.trim_start_matches('/') {
        "" => "index.html".to_owned(),
        name => name.to_owned(),
    };
    let Some(bytes) = find(&name, folder) else {
        return send(request, &plain("404 Not Found", b"not found"));
    };
    let mut more = FIELDS.concat();
    let index = find("index.html", folder).unwrap_or_default();
    if let Some(policy) = policy(&index) {
        more += &format!("Content-Security-Policy: {policy}\r\n");
    }
    let range = request.headers().iter().find(|header| header.field.equiv("Range"));
    let (status, body) = match range.map(|header| part(header.value.as_str(), bytes.len())) {
        Some(Some(range)) => {
            more += &format!("Content-Range: bytes {}-{}/{}\r\n", range.start, range.end - 1, bytes.len());
            ("206 Partial Content", &bytes[range])
        }
        Some(None) => ("416 Range Not Satisfiable", &[][..]),
        None => ("200 OK", bytes.as_ref()),
    };
    send(request, &Answer { status, media_type: media_type(&name), more, body })
}

/// Sends an answer, and has the browser close the connection: the library gives each connection a
/// thread, and one that a browser keeps open may leave another waiting for its thread for good.
fn send(request: Request, answer: &Answer<'_>) -> std::io::Result<()> {
    let Answer { status, media_type, more, body } = answer;
    let is_head = *request.method() == Method::Head;
    let mut writer = request.into_writer();
    write!(
        writer,
        "HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\n{more}Connection: close\r\n\r\n",
        body.len()
    )?;
    if !is_head {
        writer.write_all(body)?;
    }
    writer.flush()
}

/// The policy that the page's text states, as the header that its workers obey too.
fn policy(index: &[u8]) -> Option<&str> {
    const FIELD: &str = "Content-Security-Policy";
    let index = std::str::from_utf8(index).ok()?;
    let (_, stated) = index.split_once(&format!(r#"http-equiv="{FIELD}" content=""#))?;
    let (policy, _) = stated.split_once('"')?;
    (!policy.contains(['\r', '\n'])).then_some(policy)
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

//! `medley web`: what a browser on this machine gets.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// A server that ends with the test.
struct Served {
    process: Child,
    address: String,
}

impl Served {
    fn new(folder: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_medley"));
        command.args(["web", "--port", "0", "--folder"]).arg(folder).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("http://").unwrap().trim_end_matches('/').to_owned();
        Self { process, address }
    }

    /// The head and the body of an answer.
    fn ask(&self, method: &str, path: &str, more: &str) -> (String, Vec<u8>) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(stream, "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{more}\r\n", self.address)
            .unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|part| part == b"\r\n\r\n").unwrap();
        (String::from_utf8(answer[..end].to_vec()).unwrap(), answer[end + 4..].to_vec())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../web/page")
}

#[test]
fn the_page_comes_with_its_types_and_the_policy_it_states() {
    let served = Served::new(&page());
    let (head, body) = served.ask("GET", "/", "");
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("Content-Type: text/html"), "{head}");
    assert_eq!(body, fs::read(page().join("index.html")).unwrap());
    let (head, _) = served.ask("GET", "/worker.js?device=cpu", "");
    assert!(head.contains("Content-Type: text/javascript"), "{head}");
    let isolates = ["Cross-Origin-Opener-Policy: same-origin", "Cross-Origin-Embedder-Policy: require-corp"];
    assert!(isolates.iter().all(|field| head.contains(field)), "threads could not share memory: {head}");
    // The text of a page governs no worker; the header does.
    assert!(
        head.contains("Content-Security-Policy: default-src 'self'; script-src 'self' 'wasm-unsafe-eval'"),
        "{head}"
    );
}

#[test]
fn a_stretch_of_a_file_is_served_as_it_is_asked_for() {
    let served = Served::new(&page());
    let whole = fs::read(page().join("page.css")).unwrap();
    for (range, expected) in [("5-9", 5..10), ("100-", 100..whole.len()), ("-7", whole.len() - 7..whole.len())] {
        let (head, body) = served.ask("GET", "/page.css", &format!("Range: bytes={range}\r\n"));
        let about = format!("Content-Range: bytes {}-{}/{}", expected.start, expected.end - 1, whole.len());
        assert!(head.starts_with("HTTP/1.1 206") && head.contains(&about), "{head}");
        assert_eq!(body, whole[expected]);
    }
    let (head, _) = served.ask("GET", "/page.css", "Range: bytes=999999999-\r\n");
    assert!(head.starts_with("HTTP/1.1 416"), "{head}");
}

#[test]
fn nothing_outside_the_folder_is_served() {
    let folder = TempDir::new().unwrap();
    let inside = folder.path().join("inside");
    fs::create_dir(&inside).unwrap();
    fs::write(inside.join("index.html"), "<p>").unwrap();
    fs::write(folder.path().join("secret.txt"), "secret").unwrap();
    let served = Served::new(&inside);
    for path in ["/../secret.txt", "/./../secret.txt", "//etc/hostname", "/nothing.js"] {
        let (head, body) = served.ask("GET", path, "");
        assert!(head.starts_with("HTTP/1.1 404") && !body.starts_with(b"secret"), "{path}: {head}");
    }
    let (head, _) = served.ask("POST", "/", "Content-Length: 0\r\n");
    assert!(head.starts_with("HTTP/1.1 405"), "{head}");
}

#[test]
fn a_folder_without_a_page_is_refused_with_what_makes_one() {
    let folder = TempDir::new().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_medley"));
    let output = command.args(["web", "--port", "0", "--folder"]).arg(folder.path()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("web/build.sh") && said.lines().count() == 1, "{said}");
}

/// A connection that a browser keeps open takes a thread from those that wait.
#[test]
fn every_connection_is_asked_to_close_and_a_handful_at_once_is_answered() {
    let served = Served::new(&page());
    let open: Vec<TcpStream> = (0..8)
        .map(|_| {
            let mut stream = TcpStream::connect(&served.address).unwrap();
            stream.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
            write!(stream, "GET /theme.js HTTP/1.1\r\nHost: {}\r\n\r\n", served.address).unwrap();
            stream
        })
        .collect();
    for stream in open {
        let mut lines = BufReader::new(stream).lines();
        let head: Vec<String> = lines.by_ref().map(Result::unwrap).take_while(|line| !line.is_empty()).collect();
        assert!(head[0].contains("200") && head.iter().any(|line| line == "Connection: close"), "{head:?}");
    }
}

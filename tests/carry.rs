//! Files carried by a pointer to a window of another program, on an X server of the test's own (Debian's xvfb).

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

use medley_desktop::app::carry::{self, Carry, Over, Window};
use x11rb::connection::Connection;
use x11rb::protocol::Event;
use x11rb::protocol::xproto::{
    AtomEnum, BUTTON_PRESS_EVENT, BUTTON_RELEASE_EVENT, ClientMessageEvent, ConnectionExt, CreateWindowAux, EventMask,
    MOTION_NOTIFY_EVENT, PropMode, WindowClass,
};
use x11rb::protocol::xtest::ConnectionExt as _;
use x11rb::rust_connection::RustConnection;
use x11rb::wrapper::ConnectionExt as _;

/// Where the windows stand: one that things come out of, and one that they may be dropped on.
const FROM: (i16, i16) = (50, 50);
const TO: (i16, i16) = (350, 50);
const NOWHERE: (i16, i16) = (50, 350);

/// A screen with two windows, whose other program is the test.
struct Screen {
    server: Child,
    display: String,
    connection: RustConnection,
    root: u32,
    from: u32,
    to: u32,
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl Screen {
    fn new() -> Self {
        let mut server = Command::new("Xvfb")
            .args(["-displayfd", "1", "-screen", "0", "640x480x24", "-nolisten", "tcp"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("Xvfb is installed");
        let mut number = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut number).unwrap();
        let display = format!(":{}", number.trim());
        let (connection, screen) = x11rb::connect(Some(&display)).unwrap();
        let root = connection.setup().roots[screen].root;
        let (from, to) = (connection.generate_id().unwrap(), connection.generate_id().unwrap());
        for (window, x) in [(from, 0), (to, 300)] {
            let look = CreateWindowAux::new().background_pixel(0);
            let kind = WindowClass::INPUT_OUTPUT;
            connection.create_window(0, window, root, x, 0, 200, 200, 0, kind, 0, &look).unwrap();
            connection.map_window(window).unwrap();
        }
        let screen = Self { server, display, connection, root, from, to };
        // The window that things come out of takes what is dropped too, as Medley's does.
        for window in [from, to] {
            let aware = screen.atom("XdndAware");
            let version = [5];
            screen.connection.change_property32(PropMode::REPLACE, window, aware, AtomEnum::ATOM, &version).unwrap();
        }
        screen.point(FROM);
        screen.button(BUTTON_PRESS_EVENT);
        screen
    }

    fn atom(&self, name: &str) -> u32 {
        self.connection.intern_atom(false, name.as_bytes()).unwrap().reply().unwrap().atom
    }

    fn point(&self, (x, y): (i16, i16)) {
        self.connection.xtest_fake_input(MOTION_NOTIFY_EVENT, 0, 0, self.root, x, y, 0).unwrap();
        self.connection.sync().unwrap();
    }

    fn button(&self, event: u8) {
        self.connection.xtest_fake_input(event, 1, 0, self.root, 0, 0, 0).unwrap();
        self.connection.sync().unwrap();
    }

    fn carry(&self, files: &[PathBuf]) -> (Carry, JoinHandle<bool>) {
        let carry = Carry::default();
        let (carried, display, from, files) = (carry.clone(), self.display.clone(), Window(self.from), files.to_vec());
        (carry, spawn(move || carry::run(Some(&display), from, &files, &carried, &|| ()).unwrap()))
    }

    /// The next message of that name to the window that takes things.
    fn heard(&self, name: &str) -> [u32; 5] {
        let kind = self.atom(name);
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(20) {
            match self.connection.poll_for_event().unwrap() {
                Some(Event::ClientMessage(event)) if event.type_ == kind && event.window == self.to => {
                    return event.data.as_data32();
                }
                Some(_) => (),
                None => sleep(Duration::from_millis(2)),
            }
        }
        panic!("waited in vain for {name}");
    }

    fn answer(&self, source: u32, name: &str, data: [u32; 4]) {
        let [a, b, c, d] = data;
        let message = ClientMessageEvent::new(32, source, self.atom(name), [self.to, a, b, c, d]);
        self.connection.send_event(false, source, EventMask::NO_EVENT, message).unwrap();
        self.connection.sync().unwrap();
    }

    /// Brings what is carried over the window, which says whether it would take it; answers who carries.
    fn offer(&self, is_wanted: bool) -> u32 {
        self.point(TO);
        let [source, about, kind, ..] = self.heard("XdndEnter");
        assert_eq!((about >> 24, kind), (5, self.atom("text/uri-list")));
        let place = self.heard("XdndPosition")[2];
        assert_eq!(place, u32::from(TO.0.cast_unsigned()) << 16 | u32::from(TO.1.cast_unsigned()));
        self.answer(source, "XdndStatus", [u32::from(is_wanted), 0, 0, self.atom("XdndActionCopy")]);
        source
    }

    /// What the owner of the selection gives for it.
    fn fetch(&self, time: u32, target: &str) -> Option<Vec<u8>> {
        let [selection, target, property] = ["XdndSelection", target, "FETCHED"].map(|name| self.atom(name));
        self.connection.convert_selection(self.to, selection, target, property, time).unwrap();
        self.connection.flush().unwrap();
        loop {
            if let Event::SelectionNotify(event) = self.connection.wait_for_event().unwrap() {
                let is_given = event.property != x11rb::NONE;
                let value = self.connection.get_property(true, self.to, property, AtomEnum::ANY, 0, u32::MAX).unwrap();
                return is_given.then(|| value.reply().unwrap().value);
            }
        }
    }
}

fn until(carry: &Carry, over: Over) {
    let start = Instant::now();
    while carry.over() != over {
        assert!(start.elapsed() < Duration::from_secs(20), "never {over:?}");
        sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_window_is_given_the_files_that_are_dropped_on_it() {
    let screen = Screen::new();
    // More of them than a request of the protocol's first days could hold.
    let files: Vec<PathBuf> = (0..20_000).map(|n| PathBuf::from(format!("/photos/a day/{n:05}.jpg"))).collect();
    let (carry, carrying) = screen.carry(&files);
    let source = screen.offer(true);
    until(&carry, Over::Taker);
    screen.button(BUTTON_RELEASE_EVENT);
    let time = screen.heard("XdndDrop")[2];
    assert!(screen.fetch(time, "TARGETS").is_some());
    assert_eq!(screen.fetch(time, "image/png"), None);
    let given = String::from_utf8(screen.fetch(time, "text/uri-list").unwrap()).unwrap();
    let uris: Vec<&str> = given.lines().collect();
    assert_eq!(uris.len(), files.len());
    assert_eq!(uris[7], "file:///photos/a%20day/00007.jpg");
    screen.answer(source, "XdndFinished", [1, screen.atom("XdndActionCopy"), 0, 0]);
    assert!(carrying.join().unwrap());
}

#[test]
fn a_window_that_does_not_want_them_is_left_alone() {
    let screen = Screen::new();
    let (carry, carrying) = screen.carry(&["/photos/a.jpg".into()]);
    screen.offer(false);
    screen.button(BUTTON_RELEASE_EVENT);
    screen.heard("XdndLeave");
    assert!(!carrying.join().unwrap());
    assert_eq!(carry.over(), Over::Nothing);
}

#[test]
fn a_window_that_the_pointer_leaves_hears_of_it() {
    let screen = Screen::new();
    let (carry, carrying) = screen.carry(&["/photos/a.jpg".into()]);
    for elsewhere in [NOWHERE, FROM] {
        screen.offer(true);
        until(&carry, Over::Taker);
        screen.point(elsewhere);
        screen.heard("XdndLeave");
        until(&carry, Over::Nothing);
    }
    screen.button(BUTTON_RELEASE_EVENT);
    assert!(!carrying.join().unwrap());
}

#[test]
fn what_is_taken_back_is_given_to_nobody() {
    let screen = Screen::new();
    let (carry, carrying) = screen.carry(&["/photos/a.jpg".into()]);
    screen.offer(true);
    until(&carry, Over::Taker);
    carry.cancel();
    screen.heard("XdndLeave");
    assert!(!carrying.join().unwrap());
}

#[test]
fn a_window_that_closes_takes_nothing() {
    let screen = Screen::new();
    let (carry, carrying) = screen.carry(&["/photos/a.jpg".into()]);
    screen.offer(true);
    until(&carry, Over::Taker);
    screen.connection.destroy_window(screen.to).unwrap();
    screen.connection.sync().unwrap();
    until(&carry, Over::Nothing);
    screen.button(BUTTON_RELEASE_EVENT);
    assert!(!carrying.join().unwrap());
}

//! The source's side of XDND, version 5 (freedesktop.org, "Drag-and-Drop Protocol for the X Window System"), on a
//! connection of its own: the window's belongs to winit.
//!
//! The button stays grabbed by the window it was pressed in, so the pointer is asked where it is instead of waited for.

use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use raw_window_handle::RawWindowHandle;
use x11rb::connection::{Connection, RequestConnection};
use x11rb::errors::ReplyError;
use x11rb::protocol::Event;
use x11rb::protocol::xproto::{
    Atom, AtomEnum, ChangeWindowAttributesAux, ClientMessageEvent, ConnectionExt, CreateWindowAux, EventMask,
    KeyButMask, PropMode, SELECTION_NOTIFY_EVENT, SelectionNotifyEvent, SelectionRequestEvent, Timestamp, WindowClass,
};
use x11rb::rust_connection::RustConnection;
use x11rb::wrapper::ConnectionExt as _;

use super::{Carry, Over};

/// The version of the protocol that is spoken, unless the other side's is older.
const VERSION: u32 = 5;

/// How often the pointer is looked at.
const BEAT: Duration = Duration::from_millis(10);

/// How long a window may take to say whether it takes something, and to fetch it when it has.
const PATIENCE: Duration = Duration::from_secs(2);
const FETCHING: Duration = Duration::from_secs(20);

x11rb::atom_manager! {
    /// Names of the protocol.
    Atoms: AtomsCookie {
        XdndAware,
        XdndProxy,
        XdndSelection,
        XdndEnter,
        XdndPosition,
        XdndStatus,
        XdndLeave,
        XdndDrop,
        XdndFinished,
        XdndActionCopy,
        TARGETS,
        UriList: b"text/uri-list",
    }
}

/// A window of the X server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window(pub u32);

/// The window behind a handle, where the X server shows it.
pub fn window(handle: RawWindowHandle) -> Option<Window> {
    match handle {
        RawWindowHandle::Xlib(handle) => u32::try_from(handle.window).ok().map(Window),
        RawWindowHandle::Xcb(handle) => Some(Window(handle.window.get())),
        _ => None,
    }
}

/// Carries files until the button is let go, and gives them to the window under the pointer; whether it took them.
///
/// `display` is the X server, that of the environment where none is named; what is carried is not given to `from`,
/// which it came out of. `changed` is called when there is something new to see of `carry`.
///
/// # Errors
/// An X server that cannot be reached or is gone.
pub fn run(
    display: Option<&str>,
    from: Window,
    files: &[PathBuf],
    carry: &Carry,
    changed: &dyn Fn(),
) -> Result<bool> {
    let (connection, screen) = x11rb::connect(display).context("the X server cannot be reached")?;
    let mut source = Source::new(&connection, screen, from, uri_list(files.iter().map(PathBuf::as_path)))?;
    let tell = |over| {
        if carry.turn(over) {
            changed();
        }
    };
    let is_taken = source.carry(carry, &tell);
    // The window that something is told to last must hear of it before the connection is closed.
    let _ = connection.sync();
    is_taken
}

/// A window that something may be dropped on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Target {
    window: u32,
    /// Who is written to in its place.
    listener: u32,
    version: u32,
}

/// What a window has said.
#[derive(Clone, Copy, Debug, Default)]
struct Said {
    would_take: bool,
    has_finished: bool,
}

struct Source<'a> {
    connection: &'a RustConnection,
    atoms: Atoms,
    root: u32,
    from: u32,
    window: u32,
    time: Timestamp,
    uris: String,
    over: Option<Target>,
    said: Said,
    /// Where the pointer was told to be, and since when an answer is waited for.
    told: Option<(i16, i16)>,
    asked: Option<Instant>,
}

impl<'a> Source<'a> {
    /// A window that nobody sees, which owns what is carried.
    fn new(connection: &'a RustConnection, screen: usize, from: Window, uris: String) -> Result<Self> {
        let atoms = Atoms::new(connection)?.reply()?;
        let root = connection.setup().roots[screen].root;
        let window = connection.generate_id()?;
        let hears = CreateWindowAux::new().event_mask(EventMask::PROPERTY_CHANGE);
        connection.create_window(0, window, root, -1, -1, 1, 1, 0, WindowClass::INPUT_ONLY, 0, &hears)?;
        // The server says what time it is with every change of a property.
        connection.change_property8(PropMode::REPLACE, window, AtomEnum::WM_NAME, AtomEnum::STRING, b"carried")?;
        connection.flush()?;
        let time = loop {
            if let Event::PropertyNotify(event) = connection.wait_for_event()? {
                break event.time;
            }
        };
        connection.change_window_attributes(window, &ChangeWindowAttributesAux::new().event_mask(EventMask::NO_EVENT))?;
        connection.set_selection_owner(window, atoms.XdndSelection, time)?.check()?;
        let (over, said, told, asked) = (None, Said::default(), None, None);
        Ok(Self { connection, atoms, root, from: from.0, window, time, uris, over, said, told, asked })
    }

    fn carry(&mut self, carry: &Carry, tell: &dyn Fn(Over)) -> Result<bool> {
        loop {
            self.listen()?;
            let pointer = self.connection.query_pointer(self.root)?.reply()?;
            let is_held = pointer.mask.contains(KeyButMask::BUTTON1);
            if carry.is_cancelled() {
                self.leave()?;
                return Ok(false);
            }
            if !is_held {
                return self.give();
            }
            self.follow(pointer.root_x, pointer.root_y)?;
            tell(if self.said.would_take { Over::Taker } else { Over::Nothing });
            sleep(BEAT);
        }
    }

    /// Tells the window under the pointer where that is, once it has answered the last time.
    fn follow(&mut self, x: i16, y: i16) -> Result<()> {
        let target = self.target(x, y)?;
        if target != self.over {
            self.leave()?;
            self.over = target;
            if let Some(target) = target {
                let about = target.version.min(VERSION) << 24;
                self.write(target, self.atoms.XdndEnter, [about, self.atoms.UriList, 0, 0])?;
            }
        }
        let Some(target) = self.over else { return Ok(()) };
        let is_answered = self.asked.is_none_or(|asked| asked.elapsed() > PATIENCE);
        if is_answered && self.told != Some((x, y)) {
            let place = u32::from(x.cast_unsigned()) << 16 | u32::from(y.cast_unsigned());
            self.write(target, self.atoms.XdndPosition, [0, place, self.time, self.atoms.XdndActionCopy])?;
            (self.told, self.asked) = (Some((x, y)), Some(Instant::now()));
        }
        Ok(())
    }

    /// Gives what is carried to the window that would take it.
    fn give(&mut self) -> Result<bool> {
        let start = Instant::now();
        while self.asked.is_some() && start.elapsed() < PATIENCE {
            sleep(BEAT);
            self.listen()?;
        }
        let Some(target) = self.over.filter(|_| self.said.would_take) else {
            self.leave()?;
            return Ok(false);
        };
        self.write(target, self.atoms.XdndDrop, [0, self.time, 0, 0])?;
        let start = Instant::now();
        while !self.said.has_finished && start.elapsed() < FETCHING {
            sleep(BEAT);
            self.listen()?;
        }
        Ok(self.said.has_finished)
    }

    fn leave(&mut self) -> Result<()> {
        if let Some(target) = self.over.take() {
            self.write(target, self.atoms.XdndLeave, [0; 4])?;
        }
        (self.said, self.told, self.asked) = (Said::default(), None, None);
        Ok(())
    }

    /// Hears what windows have to say, and hands out what they ask for.
    fn listen(&mut self) -> Result<()> {
        while let Some(event) = self.connection.poll_for_event()? {
            match event {
                Event::ClientMessage(event) => {
                    let data = event.data.as_data32();
                    if self.over.is_none_or(|target| target.window != data[0]) {
                        continue;
                    }
                    if event.type_ == self.atoms.XdndStatus {
                        self.said.would_take = data[1] & 1 == 1;
                        self.asked = None;
                    } else if event.type_ == self.atoms.XdndFinished {
                        self.said.has_finished = true;
                    }
                }
                Event::SelectionRequest(event) => self.hand_out(&event)?,
                // Also what was said to windows that were gone by then.
                _ => (),
            }
        }
        Ok(())
    }

    fn hand_out(&self, asked: &SelectionRequestEvent) -> Result<()> {
        let property = if asked.property == x11rb::NONE { asked.target } else { asked.property };
        let is_given = if asked.target == self.atoms.UriList {
            let most = self.connection.maximum_request_bytes().saturating_sub(64);
            let fits = self.uris.len() <= most;
            if fits {
                let (kind, uris) = (self.atoms.UriList, self.uris.as_bytes());
                self.connection.change_property8(PropMode::REPLACE, asked.requestor, property, kind, uris)?;
            }
            fits
        } else if asked.target == self.atoms.TARGETS {
            let known = [self.atoms.TARGETS, self.atoms.UriList];
            self.connection.change_property32(PropMode::REPLACE, asked.requestor, property, AtomEnum::ATOM, &known)?;
            true
        } else {
            false
        };
        let answer = SelectionNotifyEvent {
            response_type: SELECTION_NOTIFY_EVENT,
            sequence: 0,
            time: asked.time,
            requestor: asked.requestor,
            selection: asked.selection,
            target: asked.target,
            property: if is_given { property } else { x11rb::NONE },
        };
        self.connection.send_event(false, asked.requestor, EventMask::NO_EVENT, answer)?;
        self.connection.flush()?;
        Ok(())
    }

    fn write(&self, to: Target, kind: Atom, [a, b, c, d]: [u32; 4]) -> Result<()> {
        let message = ClientMessageEvent::new(32, to.window, kind, [self.window, a, b, c, d]);
        self.connection.send_event(false, to.listener, EventMask::NO_EVENT, message)?;
        self.connection.flush()?;
        Ok(())
    }

    /// The window at a place that understands the protocol, unless things are carried out of it.
    fn target(&self, x: i16, y: i16) -> Result<Option<Target>> {
        let mut window = self.root;
        loop {
            let under = self.connection.translate_coordinates(self.root, window, x, y)?.reply();
            let Some(under) = unless_gone(under)? else { return Ok(None) };
            window = under.child;
            if window == x11rb::NONE || window == self.from {
                return Ok(None);
            }
            let listener = self.number(window, self.atoms.XdndProxy, AtomEnum::WINDOW.into())?.unwrap_or(window);
            if let Some(version) = self.number(listener, self.atoms.XdndAware, AtomEnum::ATOM.into())? {
                return Ok(Some(Target { window, listener, version }));
            }
        }
    }

    fn number(&self, window: u32, property: Atom, kind: Atom) -> Result<Option<u32>> {
        let value = self.connection.get_property(false, window, property, kind, 0, 1)?.reply();
        Ok(unless_gone(value)?.and_then(|value| value.value32()?.next()))
    }
}

/// Windows may close at any moment.
fn unless_gone<T>(reply: Result<T, ReplyError>) -> Result<Option<T>> {
    match reply {
        Ok(reply) => Ok(Some(reply)),
        Err(ReplyError::X11Error(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Files as `text/uri-list` names them (RFC 2483, 5): bytes of a path that a URI cannot have are written as `%XX`.
fn uri_list<'a>(files: impl IntoIterator<Item = &'a Path>) -> String {
    const KEPT: &percent_encoding::AsciiSet =
        &percent_encoding::NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    let uri = |path: &Path| {
        let encoded = percent_encoding::percent_encode(path.as_os_str().as_encoded_bytes(), KEPT);
        format!("file://{encoded}\r\n")
    };
    files.into_iter().map(uri).collect()
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::path::Path;

    use super::uri_list;

    #[test]
    fn a_uri_names_every_byte_of_a_path() {
        let strange = Path::new(OsStr::from_bytes(b"/photos/sea & sun/\xff 100%.jpg"));
        let listed = uri_list([Path::new("/photos/a-b_c~d.jpg"), strange]);
        assert_eq!(listed, "file:///photos/a-b_c~d.jpg\r\nfile:///photos/sea%20%26%20sun/%FF%20100%25.jpg\r\n");
    }
}

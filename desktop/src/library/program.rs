//! Programs that are installed beside this one: found as the shell would, never waited for without end.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How long a program may take for one picture.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where a program lies, if it is installed.
pub fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let name = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    std::env::split_paths(&path).map(|folder| folder.join(&name)).find(|file| file.is_file())
}

/// What a program writes; one that hangs is ended.
///
/// # Errors
/// A program that cannot be started, fails or hangs, with the last line it said.
pub fn output(mut command: Command) -> Result<Vec<u8>> {
    let name = Path::new(command.get_program()).file_stem().unwrap_or_default().to_string_lossy().into_owned();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("could not start {name}"))?;
    let (out, err) = (reader(child.stdout.take()), reader(child.stderr.take()));
    let is_good = wait(&mut child).with_context(|| name.clone());
    let (out, err) = (out.join().unwrap_or_default(), err.join().unwrap_or_default());
    if is_good? {
        return Ok(out);
    }
    let said = String::from_utf8_lossy(&err);
    let line = said.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("it could not be read").to_owned();
    bail!("{name}: {line}")
}

fn reader(pipe: Option<impl Read + Send + 'static>) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // What was written before an error is judged like everything else.
            let _ = pipe.read_to_end(&mut bytes);
        }
        bytes
    })
}

/// Whether the program ended well.
fn wait(child: &mut Child) -> Result<bool> {
    let start = Instant::now();
    let mut pause = Duration::from_millis(2);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status.success());
        }
        if start.elapsed() > PATIENCE {
            child.kill()?;
            child.wait()?;
            bail!("it took longer than a minute");
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

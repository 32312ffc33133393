//! Logs on stderr: text for people and the journal, JSON for collectors. A reader that does not keep up costs
//! lines, never a reminder: they are counted and the loss is told.

use crate::config::{Environment, LogConfig, LogFormat};
use anyhow::Context as _;
use std::fmt::Result as FmtResult;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::{Format, Full, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Lines that may wait for a slow reader.
const WAITING_LINES: usize = 4096;
/// How long the end waits for them.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// What is said of lost lines.
type Notice = fn(u64) -> String;

/// Flushes the log when dropped; held until the end of the process.
#[derive(Debug)]
#[must_use]
pub struct Flush(SyncSender<Entry>);

/// Sets logging up for this process, and has panics logged by their place only: a panic's message may quote
/// a patient's data.
///
/// # Errors
/// When the filter is none, or logging is set up already.
pub fn init(config: &LogConfig, environment: &Environment) -> anyhow::Result<Flush> {
    let journal = is_journal(environment);
    let notice: Notice = match config.format {
        LogFormat::Json => |lost| format!("{{\"level\":\"WARN\",\"lost_lines\":{lost}}}\n"),
        LogFormat::Text if journal => {
            |lost| format!("<4>{lost} log lines were lost: slow reader\n")
        }
        LogFormat::Text => |lost| format!("WARN {lost} log lines were lost: slow reader\n"),
    };
    let (lines, flush) = start(std::io::stderr(), WAITING_LINES, notice)?;
    let logs = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_new(&config.filter).context("log.filter is no filter")?)
        .with_ansi(false)
        .with_writer(move || lines.clone());
    match config.format {
        LogFormat::Json => logs.json().flatten_event(true).try_init(),
        LogFormat::Text if journal => logs.event_format(Journal::default()).try_init(),
        LogFormat::Text => logs.try_init(),
    }
    .map_err(|fault| anyhow::anyhow!("failed to set up logging: {fault}"))?;
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "a step panicked");
    }));
    Ok(flush)
}

/// Whether stderr is the journal itself and not something that inherited its variable (systemd.exec(5),
/// $JOURNAL_STREAM: device and inode number).
fn is_journal(environment: &Environment) -> bool {
    let stderr =
        std::fs::metadata("/proc/self/fd/2").map(|it| format!("{}:{}", it.dev(), it.ino()));
    stderr.is_ok_and(|own| environment.variable("JOURNAL_STREAM") == Some(own.as_str()))
}

/// Lines for the journal: a priority (sd-daemon(3)) instead of a level, no time of its own.
struct Journal(Format<Full, ()>);

impl Default for Journal {
    fn default() -> Self {
        Self(Format::default().without_time().with_level(false).with_ansi(false))
    }
}

impl<S, N> FormatEvent<S, N> for Journal
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> FmtResult {
        let priority = match *event.metadata().level() {
            Level::ERROR => 3,
            Level::WARN => 4,
            Level::INFO => 6,
            Level::DEBUG | Level::TRACE => 7,
        };
        write!(writer, "<{priority}>")?;
        self.0.format_event(context, writer, event)
    }
}

#[derive(Debug)]
enum Entry {
    Line(Vec<u8>),
    Flush(SyncSender<()>),
}

/// The end of the queue that the daemon writes to; it never waits.
#[derive(Clone)]
struct Lines {
    queue: SyncSender<Entry>,
    dropped: Arc<AtomicU64>,
}

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        if let Err(TrySendError::Full(_)) = self.queue.try_send(Entry::Line(line.to_vec())) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Drop for Flush {
    fn drop(&mut self) {
        let (done, wait) = sync_channel(1);
        // A full queue means a reader that hangs: there is nobody to wait for.
        if self.0.try_send(Entry::Flush(done)).is_ok() {
            let _ = wait.recv_timeout(FLUSH_TIMEOUT);
        }
    }
}

fn start(
    out: impl Write + Send + 'static,
    waiting_lines: usize,
    notice: Notice,
) -> anyhow::Result<(Lines, Flush)> {
    let (queue, entries) = sync_channel(waiting_lines);
    let dropped = Arc::new(AtomicU64::new(0));
    let lost = Arc::clone(&dropped);
    std::thread::Builder::new()
        .name("log".to_owned())
        .spawn(move || write_all(&entries, &lost, notice, out))
        .context("failed to start the log's thread")?;
    Ok((Lines { queue: queue.clone(), dropped }, Flush(queue)))
}

/// Writes what comes in. A reader that went away cannot be told so; the daemon runs on.
fn write_all(entries: &Receiver<Entry>, dropped: &AtomicU64, notice: Notice, mut out: impl Write) {
    for entry in entries {
        let lost = dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let _ = out.write_all(notice(lost).as_bytes());
        }
        match entry {
            Entry::Line(line) => drop(out.write_all(&line)),
            Entry::Flush(done) => {
                let _ = out.flush();
                let _ = done.send(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use std::sync::mpsc::channel;

    /// A reader that takes nothing until it is let go.
    struct Stuck {
        go: Receiver<()>,
        seen: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let _ = self.go.recv();
            self.seen.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_stuck_reader_costs_lines_and_never_stops_the_writer() {
        let (let_go, go) = channel();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (mut lines, flush) =
            start(Stuck { go, seen: Arc::clone(&seen) }, 8, |lost| format!("{lost} lost\n"))
                .unwrap();
        for _ in 0..100 {
            lines.write_all(b"line\n").unwrap();
        }
        drop(let_go);
        let (done, wait) = sync_channel(1);
        flush.0.send(Entry::Flush(done)).unwrap();
        wait.recv().unwrap();
        let text = String::from_utf8(seen.lock().unwrap().clone()).unwrap();
        let kept = text.lines().filter(|line| *line == "line").count();
        let lost: usize =
            text.lines().filter_map(|line| line.strip_suffix(" lost")?.parse::<usize>().ok()).sum();
        assert!(lost > 0, "{text}");
        assert_eq!(kept + lost, 100, "{text}");
    }

    #[test]
    fn lines_for_the_journal_carry_its_priorities() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&seen);
        let logs = tracing_subscriber::fmt()
            .event_format(Journal::default())
            .with_writer(move || Shared(Arc::clone(&sink)))
            .finish();
        tracing::subscriber::with_default(logs, || {
            tracing::error!(id = 7, "somebody must act");
            tracing::info!("all is well");
        });
        let text = String::from_utf8(seen.lock().unwrap().clone()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert!(
            lines[0].starts_with("<3>") && lines[0].ends_with("somebody must act id=7"),
            "{text}"
        );
        assert!(lines[1].starts_with("<6>"), "{text}");
    }

    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
}

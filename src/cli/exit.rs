//! How a command ends: the exit code, and what is said about a failure.

use super::output::{Output, Tone, wrapped};
use crate::config::{ConfigProblems, Problem};
use crate::store::StoreError;
use std::io::ErrorKind;

/// What every failure begins with.
const NAME: &str = "carebell:";

/// Shown under `--help`.
pub(super) const HELP: &str = "Exit codes: 0 ok, 1 failed, 2 usage, 3 not found, 70 stood still, \
                               75 already running, 78 bad configuration, 130 interrupted";

/// The exit codes. 70, 75 and 78 are EX_SOFTWARE, EX_TEMPFAIL and EX_CONFIG of sysexits.h; the unit does not restart
/// on the last two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Ok = 0,
    /// It was tried and failed.
    Failed = 1,
    /// The command line is wrong.
    Usage = 2,
    /// What was asked for does not exist.
    NotFound = 3,
    /// The daemon stood still and ended itself; the unit starts it again.
    StoodStill = 70,
    /// Another daemon holds the state folder.
    AlreadyRunning = 75,
    /// The configuration is wrong; trying again changes nothing.
    BadConfiguration = 78,
    /// Ended early by the user; 128 and the number of SIGINT, as shells say it.
    Interrupted = 130,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command failed, and what to do.
#[derive(Debug)]
pub enum Failure {
    /// Something to tell.
    Told {
        /// The exit code.
        exit: Exit,
        /// What failed, as a fragment that fits after "carebell: ".
        message: String,
        /// What to do, if that is known.
        fix: Option<String>,
    },
    /// The configuration's problems.
    Configuration(Vec<Problem>),
    /// The answer itself, on stdout, says what is wrong.
    Answered(Exit),
    /// The reader of stdout went away: a quiet end, as with `| head`.
    ReaderGone,
}

impl Failure {
    /// A failure with a fix.
    pub fn new(exit: Exit, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::Told { exit, message: message.into(), fix: Some(fix.into()) }
    }

    /// An answer that stdout did not take.
    pub fn unwritten(error: std::io::Error) -> Self {
        match error.kind() {
            ErrorKind::BrokenPipe => Self::ReaderGone,
            _ => anyhow::Error::from(error).context("failed to write the answer").into(),
        }
    }

    /// Says it on stderr and gives the exit code.
    pub(super) fn tell(self, output: &Output) -> Exit {
        let say = |text: String, indent| output.say(wrapped(&text, indent).trim_end());
        let fail = |message: &str| {
            let text = wrapped(&format!("{NAME} {message}"), 0);
            output.say(text.replacen(NAME, &output.paint(Tone::Bad, NAME), 1).trim_end());
        };
        match self {
            Self::Told { exit, message, fix } => {
                fail(&message);
                if let Some(fix) = fix {
                    say(format!("fix: {fix}"), 2);
                }
                exit
            }
            Self::Configuration(problems) => {
                fail("the configuration cannot be used");
                for problem in problems {
                    say(format!("{}: {}", problem.place, problem.what), 2);
                    say(format!("fix: {}", problem.fix), 4);
                }
                Exit::BadConfiguration
            }
            Self::Answered(exit) => exit,
            Self::ReaderGone => Exit::Ok,
        }
    }
}

impl From<ConfigProblems> for Failure {
    fn from(ConfigProblems(problems): ConfigProblems) -> Self {
        Self::Configuration(problems)
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Told { exit: Exit::Failed, message: format!("{error:#}"), fix: None }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        anyhow::Error::from(error).context("failed in the database").into()
    }
}

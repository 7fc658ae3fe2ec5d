//! The program nats-server: where it is, and what it can do.

use std::env;
use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tokio::process::Command;

use super::EmbeddedError;

/// Its name.
const NAME: &str = "nats-server";
/// Where packages put it, beside the directories of PATH, which often lack the first for a plain user.
const USUAL_DIRECTORIES: [&str; 4] = [
    "/usr/sbin",
    "/usr/local/bin",
    "/usr/local/sbin",
    "/opt/homebrew/bin",
];

/// A version of nats-server. Only what is compared is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version {
    major: u32,
    minor: u32,
}

/// The oldest version that farelog works with.
const VERSION_MIN: Version = Version { major: 2, minor: 9 };
/// The first that knows `sync_interval: always`; an older one refuses a configuration with it.
const SYNC_ALWAYS_SINCE: Version = Version {
    major: 2,
    minor: 10,
};

impl Version {
    /// The version in what `nats-server --version` prints: `nats-server: v2.10.7`.
    fn parse(said: &str) -> Option<Self> {
        let version = said.trim().strip_prefix("nats-server: v")?;
        let mut parts = version.split('.');
        Some(Self {
            major: parts.next()?.parse().ok()?,
            minor: parts.next()?.parse().ok()?,
        })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// An installed nats-server.
#[derive(Debug, Clone)]
pub(super) struct Program {
    pub(super) path: PathBuf,
    pub(super) version: Version,
}

impl Program {
    /// Looks for it in PATH, then in the usual directories, and asks it for its version.
    pub(super) async fn find() -> Result<Self, EmbeddedError> {
        let path = env::var_os("PATH").unwrap_or_default();
        let directories = env::split_paths(&path).chain(USUAL_DIRECTORIES.map(PathBuf::from));
        let path = find_in(directories).ok_or(EmbeddedError::NotInstalled)?;
        let output = Command::new(&path)
            .arg("--version")
            .output()
            .await
            .map_err(EmbeddedError::file("run", &path))?;
        let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        match Version::parse(&said) {
            Some(version) if version >= VERSION_MIN => Ok(Self { path, version }),
            _ => Err(EmbeddedError::NotUsable {
                program: path,
                said,
            }),
        }
    }

    /// A program of a version that is not asked for it.
    #[cfg(test)]
    pub(super) fn of_version(version: &str) -> Self {
        Self {
            path: NAME.into(),
            version: Version::parse(&format!("nats-server: v{version}.0")).unwrap(),
        }
    }

    /// Whether it can sync each message before it acknowledges it.
    pub(super) fn knows_sync_always(&self) -> bool {
        self.version >= SYNC_ALWAYS_SINCE
    }
}

fn find_in(directories: impl Iterator<Item = PathBuf>) -> Option<PathBuf> {
    directories
        .map(|directory| directory.join(NAME))
        .find(|path| is_executable(path))
}

fn is_executable(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_version_is_read_and_compared_by_number() {
        let version = |said| Version::parse(said).unwrap();
        assert!(version("nats-server: v2.9.10\n") >= VERSION_MIN);
        assert!(version("nats-server: v2.9.10") < SYNC_ALWAYS_SINCE);
        assert!(version("nats-server: v2.10.0-beta.1") >= SYNC_ALWAYS_SINCE);
        assert!(version("nats-server: v3.0.0") >= SYNC_ALWAYS_SINCE);
        assert!(version("nats-server: v1.4.1") < VERSION_MIN);
        assert_eq!(Version::parse("something else"), None);
    }

    #[test]
    fn it_is_the_first_in_the_directories_that_can_be_run() {
        let dir = tempfile::tempdir().unwrap();
        let directory = |name: &str| {
            let directory = dir.path().join(name);
            fs::create_dir(&directory).unwrap();
            directory
        };
        let (none, no_program, program) = (directory("a"), directory("b"), directory("c"));
        fs::write(no_program.join(NAME), "").unwrap();
        fs::write(program.join(NAME), "").unwrap();
        fs::set_permissions(program.join(NAME), fs::Permissions::from_mode(0o755)).unwrap();

        let found = find_in([none.clone(), no_program, program.clone()].into_iter());
        assert_eq!(found, Some(program.join(NAME)));
        assert_eq!(find_in([none].into_iter()), None);
    }
}

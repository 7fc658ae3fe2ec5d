//! Where projections are on disk while they are made anew, so that a crash at any moment leaves one whole copy.
//!
//! The store in use is at `<directory>`, or after a rebuild at `<directory>.rebuilt` until it is closed; a directory is
//! never renamed while a store in it is open. What is made, or removed, is at `<directory>.unfinished`, and of no use
//! after a crash. Throw-away stores are at `<directory>.trial`.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::store::ProjectionError;

/// The directories of the projections of one log.
#[derive(Debug)]
pub struct Place {
    main: PathBuf,
    rebuilt: PathBuf,
    unfinished: PathBuf,
    trial: PathBuf,
    /// Whether the store in use is at `rebuilt`.
    uses_rebuilt: bool,
}

impl Place {
    /// Puts in order what a crash left behind. Nothing may be open; whoever calls has the log to itself.
    ///
    /// # Errors
    /// A directory can't be renamed or removed.
    pub fn settle(directory: &Path) -> Result<Self, ProjectionError> {
        let place = Self {
            main: directory.to_owned(),
            rebuilt: beside(directory, ".rebuilt"),
            unfinished: beside(directory, ".unfinished"),
            trial: beside(directory, ".trial"),
            uses_rebuilt: false,
        };
        remove(&place.unfinished)?;
        remove(&place.trial)?;
        if place.rebuilt.exists() {
            // Both are whole where both are there, and the log has what either lacks. After a first rebuild the one made
            // anew is kept; after a second the one that it was to replace.
            place.retire(&place.main)?;
            rename(&place.rebuilt, &place.main)?;
        }
        Ok(place)
    }

    /// Where the store in use is.
    pub fn current(&self) -> &Path {
        if self.uses_rebuilt {
            &self.rebuilt
        } else {
            &self.main
        }
    }

    /// A directory for a store that is to take the place of the one in use. It is not there yet.
    pub fn unfinished(&self) -> Result<&Path, ProjectionError> {
        remove(&self.unfinished)?;
        Ok(&self.unfinished)
    }

    /// Gives the unfinished store, which is whole and closed, the name under which it is opened to be used.
    pub fn finish(&self) -> Result<&Path, ProjectionError> {
        let free = if self.uses_rebuilt {
            &self.main
        } else {
            &self.rebuilt
        };
        remove(free)?;
        rename(&self.unfinished, free)?;
        Ok(free)
    }

    /// Takes the finished store for the one in use from now on. Gives the directory of the other, to be retired once
    /// that store is closed.
    pub fn change_over(&mut self) -> PathBuf {
        let old = self.current().to_owned();
        self.uses_rebuilt = !self.uses_rebuilt;
        old
    }

    /// A directory for throw-away stores, which go with what is returned.
    ///
    /// # Errors
    /// There is one, or it can't be made.
    pub fn trial(&self) -> Result<ThrowAway, ProjectionError> {
        fs::create_dir(&self.trial).map_err(|source| refused(&self.trial, source))?;
        Ok(ThrowAway(self.trial.clone()))
    }

    /// Removes a store that is closed: at once, as far as a crash is concerned.
    pub fn retire(&self, directory: &Path) -> Result<(), ProjectionError> {
        if directory.exists() {
            remove(&self.unfinished)?;
            rename(directory, &self.unfinished)?;
        }
        remove(&self.unfinished)
    }
}

impl Drop for Place {
    /// The store is closed by now, so it can have its usual name. Otherwise it gets it when it is opened again.
    fn drop(&mut self) {
        if self.uses_rebuilt && !self.main.exists() {
            let _ = rename(&self.rebuilt, &self.main);
        }
    }
}

/// A directory that is removed when it is dropped.
#[derive(Debug)]
pub struct ThrowAway(PathBuf);

impl ThrowAway {
    /// A directory within it.
    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for ThrowAway {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.0) {
            tracing::warn!(%error, "a throw-away directory stays until the next start");
        }
    }
}

fn beside(directory: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(directory);
    name.push(suffix);
    name.into()
}

fn remove(directory: &Path) -> Result<(), ProjectionError> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(refused(directory, error)),
        _ => Ok(()),
    }
}

/// Renames a directory, and makes the new name durable.
fn rename(from: &Path, to: &Path) -> Result<(), ProjectionError> {
    let parent = to.parent().filter(|parent| *parent != Path::new(""));
    fs::rename(from, to)
        .and_then(|()| File::open(parent.unwrap_or(Path::new(".")))?.sync_all())
        .map_err(|source| refused(to, source))
}

fn refused(directory: &Path, source: io::Error) -> ProjectionError {
    ProjectionError::Directory {
        directory: directory.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A store, as far as its place is concerned.
    fn store(directory: &Path, content: &str) {
        fs::create_dir(directory).unwrap();
        fs::write(directory.join("db"), content).unwrap();
    }

    fn content(directory: &Path) -> String {
        fs::read_to_string(directory.join("db")).unwrap()
    }

    #[test]
    fn a_store_made_anew_has_the_usual_name_once_it_is_closed() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("projections");
        store(&directory, "old");
        let mut place = Place::settle(&directory).unwrap();
        for content_of_new in ["second", "third"] {
            store(place.unfinished().unwrap(), content_of_new);
            let finished = place.finish().unwrap().to_owned();
            assert_ne!(finished, place.current());
            let old = place.change_over();
            place.retire(&old).unwrap();
            assert_eq!(content(place.current()), content_of_new);
            assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
        }
        store(place.unfinished().unwrap(), "fourth");
        place.finish().unwrap();
        let old = place.change_over();
        place.retire(&old).unwrap();
        drop(place);
        assert_eq!(content(&directory), "fourth");
    }

    #[test]
    fn a_crash_leaves_one_whole_store_wherever_it_comes() {
        for (crash, kept) in [(0, "old"), (1, "new"), (2, "new")] {
            let home = tempfile::tempdir().unwrap();
            let directory = home.path().join("projections");
            store(&directory, "old");
            let mut place = Place::settle(&directory).unwrap();
            store(place.unfinished().unwrap(), "new");
            if crash >= 1 {
                place.finish().unwrap();
            }
            if crash >= 2 {
                let old = place.change_over();
                place.retire(&old).unwrap();
            }
            std::mem::forget(place);
            let place = Place::settle(&directory).unwrap();
            assert_eq!(content(place.current()), kept, "crash {crash}");
            assert_eq!(place.current(), directory);
            assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
        }
    }

    #[test]
    fn what_is_thrown_away_is_gone_and_there_is_one_of_it() {
        let home = tempfile::tempdir().unwrap();
        let place = Place::settle(&home.path().join("projections")).unwrap();
        let trial = place.trial().unwrap();
        assert!(place.trial().is_err());
        store(&trial.join("first"), "x");
        drop(trial);
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
    }
}

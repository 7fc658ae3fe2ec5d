//! Where projections are on disk while they are made anew, so that a crash at any moment leaves one whole copy.
//!
//! The store in use is at `<directory>`, or after a rebuild at `<directory>.rebuilt` until it is closed; a directory is
//! never renamed while a store in it is open. What is made, or removed, is at `<directory>.unfinished`, and of no use
//! after a crash. Throw-away stores are at `<directory>.trial`.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use farelog_events::tree::DirectoryLock;

use crate::store::{ProjectionError, was_being_opened};

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
        if place.main.exists() && was_being_opened(&place.rebuilt) {
            // Such a store is made anew when it is opened again, and the other is whole.
            place.retire(&place.rebuilt)?;
        }
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

    /// The name that the store in use does not have.
    fn free(&self) -> &Path {
        if self.uses_rebuilt {
            &self.main
        } else {
            &self.rebuilt
        }
    }

    /// A directory for a store that is to take the place of the one in use. It is not there yet.
    ///
    /// # Errors
    /// What is left there can't be removed, or is still being written: see [`clear`](Self::clear).
    pub fn unfinished(&self) -> Result<&Path, ProjectionError> {
        self.check_is_closed()?;
        remove(&self.unfinished)?;
        Ok(&self.unfinished)
    }

    /// Gives the unfinished store, which is whole and closed, the name under which it is opened to be used.
    pub fn finish(&self) -> Result<&Path, ProjectionError> {
        let free = self.free();
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

    /// Removes what was to take the place of the store in use, finished or not. Where it could not be closed, since its disk
    /// hangs, it stays until the next start: what still may write there goes by paths, which another store would have.
    ///
    /// # Errors
    /// It can't be removed, or was not closed.
    pub fn clear(&self) -> Result<(), ProjectionError> {
        self.check_is_closed()?;
        self.retire(self.free())
    }

    fn check_is_closed(&self) -> Result<(), ProjectionError> {
        for directory in [&*self.unfinished, self.free()] {
            if directory.exists() {
                DirectoryLock::take(directory)?;
            }
        }
        Ok(())
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

    /// What hangs writes to its paths when it wakes, and those would be another store's.
    #[test]
    fn what_is_still_being_written_is_left_alone() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("projections");
        store(&directory, "old");
        let place = Place::settle(&directory).unwrap();
        for left in [place.unfinished.clone(), place.rebuilt.clone()] {
            store(&left, "left");
            let writing = DirectoryLock::take(&left).unwrap();
            assert!(place.clear().is_err() && place.unfinished().is_err());
            assert_eq!(content(&left), "left");
            drop(writing);
            place.clear().unwrap();
            assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
        }
    }

    /// What was found to be half open at the next start, where it had taken the place of a store that was whole, was made
    /// anew from the log: a kill while a finished rebuild was being opened cost both.
    #[test]
    fn a_crash_leaves_one_whole_store_wherever_it_comes() {
        let crashes = [
            ("while it is made", "old"),
            ("when it is finished", "new"),
            ("while it is opened", "old"),
            ("when the old one is removed", "new"),
        ];
        for (crash, kept) in crashes {
            let home = tempfile::tempdir().unwrap();
            let directory = home.path().join("projections");
            store(&directory, "old");
            let mut place = Place::settle(&directory).unwrap();
            store(place.unfinished().unwrap(), "new");
            if crash != "while it is made" {
                let finished = place.finish().unwrap();
                if crash == "while it is opened" {
                    fs::write(finished.join("being-opened"), "").unwrap();
                }
            }
            if crash == "when the old one is removed" {
                let old = place.change_over();
                place.retire(&old).unwrap();
            }
            std::mem::forget(place);
            let place = Place::settle(&directory).unwrap();
            assert_eq!(content(place.current()), kept, "{crash}");
            assert_eq!(place.current(), directory);
            assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
        }
    }

    /// Settling removes the one of two stores by renaming it first, and gives the other its name then.
    #[test]
    fn a_crash_while_it_is_settled_leaves_one_whole_store_too() {
        let crashes = [
            (["projections.unfinished", "projections.rebuilt"], "new"),
            (["projections.unfinished", "projections"], "new"),
            (["projections", "projections.unfinished"], "old"),
        ];
        for ([old, new], kept) in crashes {
            let home = tempfile::tempdir().unwrap();
            store(&home.path().join(old), "old");
            store(&home.path().join(new), "new");
            let directory = home.path().join("projections");
            let place = Place::settle(&directory).unwrap();
            assert_eq!(content(place.current()), kept, "{old}, {new}");
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

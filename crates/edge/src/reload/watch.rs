//! Looks at the files that settings come from, and reads them when they hold something else than before.

use crate::config::{ConfigErrors, Fingerprints, Loaded, Loader, Reading, fingerprint};

/// The files of the settings. May wait for a disk.
pub(super) struct Watch {
    loader: Loader,
    /// What the files held when they were read.
    read: Fingerprints,
    /// What they held at the last look.
    seen: Fingerprints,
}

impl Watch {
    pub(super) fn new(loaded: &Loaded) -> Self {
        let read = loaded.files().clone();
        Self { loader: loaded.loader().again(), seen: read.clone(), read }
    }

    /// Reads the settings if that is asked for, or if the files changed and have stopped changing: what is being
    /// written may look whole, and even be right, with half of it missing. Nothing is read twice that did not
    /// change.
    pub(super) fn look(&mut self, is_asked: bool) -> Option<Result<Loaded, ConfigErrors>> {
        let now: Fingerprints = self.read.keys().map(|path| (path.clone(), fingerprint(path))).collect();
        let has_settled = now == self.seen;
        let has_changed = now != self.read;
        self.seen = now;
        let is_due = is_asked || (has_changed && has_settled);
        if !is_due {
            return None;
        }
        let Reading { settings, files } = self.loader.read();
        (self.read, self.seen) = (files.clone(), files);
        Some(settings)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn a_file_is_read_when_it_has_stopped_changing_and_once_for_each_content() {
        let file = Draft::new("settled");
        let mut watch = file.watch("workers = 1");
        assert!(watch.look(false).is_none(), "it is what was read at the start");
        for half in ["", "work", "workers = "] {
            file.write(half);
            assert!(watch.look(false).is_none(), "{half}");
        }
        file.write("workers = 3");
        assert!(watch.look(false).is_none(), "more may follow");
        let found = watch.look(false).expect("nothing followed").expect("settings");
        assert_eq!(found.config.workers, 3);
        assert!(watch.look(false).is_none());
        file.write("workers = x");
        assert!(watch.look(false).is_none());
        assert!(watch.look(false).expect("a change").is_err());
        assert!(watch.look(false).is_none(), "the same fault is told once");
        assert!(watch.look(true).expect("somebody asked").is_err(), "or when somebody asks");
        file.write("workers = 4");
        assert!(watch.look(true).expect("somebody asked").is_ok());
    }

    #[test]
    fn the_files_of_secrets_are_looked_at_even_if_they_are_not_there_yet() {
        let (settings, secret) = (Draft::new("settings"), Draft::new("secret"));
        let mut watch = settings.watch("");
        settings.write(&format!("[token]\nhmac_secret_file = {:?}", secret.0));
        assert!(watch.look(false).is_none());
        assert!(watch.look(false).expect("a change").is_err(), "there is no such file");
        secret.write("of thirty-two bytes or a few more");
        assert!(watch.look(false).is_none());
        let found = watch.look(false).expect("it has come").expect("settings");
        assert_eq!(found.config.token.hmac_secret.reveal(), "of thirty-two bytes or a few more");
        fs::remove_file(&secret.0).expect("it is there");
        assert!(watch.look(false).is_none());
        assert!(watch.look(false).expect("it is gone").is_err());
    }

    /// A file that is gone when the test is.
    struct Draft(PathBuf);

    impl Draft {
        fn new(name: &str) -> Self {
            Self(std::env::temp_dir().join(format!("fanfare-{name}-{}.toml", std::process::id())))
        }

        fn write(&self, text: &str) {
            fs::write(&self.0, text).expect("a file");
        }

        fn watch(&self, text: &str) -> Watch {
            self.write(text);
            Watch::new(&Loader::new().file(Some(self.0.clone())).load().expect("settings"))
        }
    }

    impl Drop for Draft {
        fn drop(&mut self) {
            drop(fs::remove_file(&self.0));
        }
    }
}

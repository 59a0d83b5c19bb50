//! The changelog in sections, newest first: `## [Unreleased]`, then `## [1.2.3] - 2030-01-31` for each release.

use crate::violation::Violation;

/// The sections of a changelog.
#[derive(Debug)]
pub(super) struct Changelog<'a> {
    sections: Vec<Section<'a>>,
}

#[derive(Debug)]
struct Section<'a> {
    line: usize,
    heading: &'a str,
    body: String,
}

impl<'a> Changelog<'a> {
    pub(super) fn parse(text: &'a str) -> Self {
        let mut sections: Vec<Section<'a>> = Vec::new();
        for (at, line) in text.lines().enumerate() {
            if let Some(heading) = line.strip_prefix("## ") {
                sections.push(Section { line: at + 1, heading: heading.trim(), body: String::new() });
            } else if let Some(section) = sections.last_mut() {
                section.body.push_str(line);
                section.body.push('\n');
            }
        }
        Self { sections }
    }

    /// What the changelog says of a version; nothing if it has no section, or an empty one.
    pub(super) fn notes(&self, version: &str) -> Option<String> {
        let section = self.sections.iter().find(|section| section.version() == Some(version))?;
        let notes = section.body.trim();
        (!notes.is_empty()).then(|| format!("{notes}\n"))
    }

    /// The newest section, whatever its heading: what is not released, or what is released now.
    pub(super) fn newest(&self) -> &str {
        self.sections
            .iter()
            .map(|section| section.body.as_str())
            .find(|body| !body.trim().is_empty())
            .unwrap_or("")
    }

    /// Checks that everything unreleased was moved under `version`, with the day of its release.
    pub(super) fn check_release(&self, path: &str, version: &str) -> Vec<Violation> {
        let mut violations = Vec::new();
        let wanted = format!("write `## [{version}] - YYYY-MM-DD`");
        let mut sections = self.sections.iter();
        match sections.next() {
            Some(first) if first.heading == "[Unreleased]" => {
                if !first.body.trim().is_empty() {
                    let what = format!("what is released stands under Unreleased: {wanted} above it");
                    violations.push(Violation::new(path, first.line, what));
                }
            }
            first => {
                let line = first.map_or(1, |section| section.line);
                violations.push(Violation::new(path, line, "the first section must be `## [Unreleased]`"));
            }
        }
        match sections.next() {
            Some(second) if second.version() == Some(version) => {
                if second.body.trim().is_empty() {
                    violations.push(Violation::new(path, second.line, "says nothing of what changed"));
                }
            }
            second => {
                let line = second.map_or(1, |section| section.line);
                violations.push(Violation::new(path, line, format!("{wanted} behind Unreleased")));
            }
        }
        violations
    }
}

impl Section<'_> {
    /// The version that the heading names, if it has its date, too.
    fn version(&self) -> Option<&str> {
        let (version, date) = self.heading.strip_prefix('[')?.split_once("] - ")?;
        is_date(date).then_some(version)
    }
}

fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts[..] else { return false };
    let number =
        |part: &str, length: usize| (part.len() == length).then(|| part.parse::<u16>().ok()).flatten();
    number(year, 4).is_some()
        && number(month, 2).is_some_and(|month| (1..=12).contains(&month))
        && number(day, 2).is_some_and(|day| (1..=31).contains(&day))
}

#[cfg(test)]
mod tests {
    use super::*;

    const READY: &str = "# Changelog\n\nText.\n\n## [Unreleased]\n\n## [1.1.0] - 2030-02-01\n\n### Added\n\n- New.\n\n\
        ## [1.0.0] - 2030-01-31\n\n- First.\n";

    fn faults(text: &str, version: &str) -> Vec<String> {
        Changelog::parse(text).check_release("C", version).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn notes_are_the_section_of_the_version_alone() {
        let changelog = Changelog::parse(READY);
        assert_eq!(changelog.notes("1.1.0").as_deref(), Some("### Added\n\n- New.\n"));
        assert_eq!(changelog.notes("1.0.0").as_deref(), Some("- First.\n"));
        assert_eq!(changelog.notes("1.0"), None);
        assert_eq!(changelog.notes("Unreleased"), None);
        assert_eq!(
            Changelog::parse("## [1.0.0] - 2030-01-31\n\n## [0.9.0] - 2030-01-30\n- a\n").notes("1.0.0"),
            None
        );
    }

    #[test]
    fn a_release_has_the_section_behind_unreleased() {
        assert!(faults(READY, "1.1.0").is_empty());
        assert_eq!(faults(READY, "1.2.0"), ["C:7: write `## [1.2.0] - YYYY-MM-DD` behind Unreleased"]);
        assert_eq!(faults(READY, "1.0.0").len(), 1, "not the newest");
        let forgotten = READY.replace("## [1.1.0] - 2030-02-01\n\n", "");
        assert_eq!(faults(&forgotten, "1.1.0").len(), 2);
        let empty = READY.replace("### Added\n\n- New.\n\n", "");
        assert_eq!(faults(&empty, "1.1.0"), ["C:7: says nothing of what changed"]);
        let headless = READY.replace("## [Unreleased]\n\n", "");
        assert!(!faults(&headless, "1.1.0").is_empty());
        assert!(!faults("", "1.1.0").is_empty());
    }

    #[test]
    fn a_heading_needs_a_day() {
        for bad in
            ["", "soon", "2030-13-01", "2030-01-32", "2030-1-1", "2030-01", "YYYY-MM-DD", "2030-01-31 late"]
        {
            assert!(!is_date(bad), "{bad}");
        }
        assert!(is_date("2030-01-31"));
    }
}

//! Links between our own pages lead somewhere: the file is there, and so is the heading behind `#`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::{Violation, walk};

/// Checks every page of the repository at `root`.
pub(crate) fn check(root: &Path) -> Vec<Violation> {
    walk::files(root, "", "md").iter().flat_map(|page| check_page(root, page)).collect()
}

fn check_page(root: &Path, name: &str) -> Vec<Violation> {
    let page = root.join(name);
    let text = fs::read_to_string(&page).unwrap_or_default();
    let broken = |(line, target): (usize, &str)| {
        let why = leads_nowhere(&page, &text, target)?;
        Some(Violation::new(name, line, format!("the link to {target} leads nowhere: {why}")))
    };
    links(&text).into_iter().filter_map(broken).collect()
}

fn leads_nowhere(page: &Path, text: &str, target: &str) -> Option<&'static str> {
    let (path, heading) = target.split_once('#').unwrap_or((target, ""));
    let beside = page.parent().unwrap_or(Path::new(""));
    let path = if path.is_empty() { page.to_owned() } else { beside.join(path) };
    if !path.exists() {
        return Some("there is no such file");
    }
    if heading.is_empty() || path.extension().is_none_or(|extension| extension != "md") {
        return None;
    }
    let other = if path == page { text.to_owned() } else { fs::read_to_string(&path).unwrap_or_default() };
    (!headings(&other).contains(heading)).then_some("there is no such heading")
}

/// What a page's links within the repository lead to, with their lines.
fn links(page: &str) -> Vec<(usize, &str)> {
    let found = prose(page).flat_map(|(at, line)| {
        let rest = line.split("](").skip(1);
        rest.filter_map(move |rest| Some((at, rest.split_once(')')?.0)))
    });
    found.filter(|(_, target)| !target.contains(':') && !target.contains(char::is_whitespace)).collect()
}

/// The headings of a page, as links write them.
fn headings(page: &str) -> BTreeSet<String> {
    prose(page)
        .filter_map(|(_, line)| line.strip_prefix('#').map(|rest| rest.trim_start_matches('#').trim()))
        .map(|heading| {
            let is_kept = |letter: &char| letter.is_alphanumeric() || " -_".contains(*letter);
            heading.to_lowercase().chars().filter(is_kept).collect::<String>().replace(' ', "-")
        })
        .collect()
}

/// The lines of a page that are no code, with their numbers.
fn prose(page: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut is_code = false;
    page.lines().enumerate().filter_map(move |(at, line)| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        (!is_code && !is_fence).then_some((at + 1, line))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_found_outside_of_code() {
        let page = "See [a](b.md) and [c](d.md#e).\n```\n[f](g.md)\n```\n[h](https://example.com) [i](#j)\n";
        assert_eq!(links(page), [(1, "b.md"), (1, "d.md#e"), (5, "#j")]);
    }

    #[test]
    fn headings_are_written_as_links_write_them() {
        let page = "# The `[client]` part\n```\n# code\n```\n## What may change, when?\n";
        let found: Vec<String> = headings(page).into_iter().collect();
        assert_eq!(found, ["the-client-part", "what-may-change-when"]);
    }

    #[test]
    fn a_link_leads_to_a_file_and_a_heading() {
        let page = crate::repository().join("docs/redis.md");
        let text = "# Here\n";
        for good in ["limits.md", "../README.md", "decisions", "limits.md#redis", "#here", "openapi.json#x"] {
            assert_eq!(leads_nowhere(&page, text, good), None, "{good}");
        }
        for bad in ["nowhere.md", "limits.md#nowhere", "#there", "../limits.md"] {
            assert!(leads_nowhere(&page, text, bad).is_some(), "{bad}");
        }
    }
}

//! Each alert can be trusted and acted on: it has a case that fires and one that does not, and a page that its
//! `runbook_url` names; and there is neither a case nor a page without an alert.

use std::collections::BTreeSet;

use super::Violation;

/// Where the alerts are.
pub(crate) const RULES_PATH: &str = "helm/fanfare/files/rules.yaml";
/// Where their cases are.
pub(crate) const CASES_PATH: &str = "conformance/observe/rules_test.yaml";
/// Where their pages are.
pub(crate) const RUNBOOKS_PATH: &str = "docs/operate/runbooks";
/// What a page must answer.
const SECTIONS: [&str; 4] = ["## What it means", "## Find the cause", "## What to do", "## When to wait"];

/// Compares alerts, cases and pages; these by their names and texts.
pub(crate) fn check(rules: &str, cases: &str, runbooks: &[(String, String)]) -> Vec<Violation> {
    let alerts = blocks(rules, "- alert: ");
    let cases = blocks(cases, "- name: ");
    let mut violations = Vec::new();
    for (name, line, rule) in &alerts {
        let mut miss =
            |what: &str| violations.push(Violation::new(RULES_PATH, *line, format!("{name} {what}")));
        let url = format!("runbook_url: {RUNBOOKS_PATH}/{name}.md");
        if !rule.contains(&url) {
            miss(&format!("lacks `{url}`: add it"));
        }
        if rule.contains("for: ").then(|| rule.contains("severity: ")) != Some(true) {
            miss("lacks `for` or `severity`: one scrape alone must not wake anybody");
        }
        let case = cases.iter().find(|(case, ..)| case == name).map_or("", |(.., case)| case);
        let asks = format!("alertname: {name}\n");
        if !(case.contains(&asks) && case.contains("namespace: hit") && case.contains("namespace=\"miss\"")) {
            miss(&format!("lacks a case that fires for `hit` and not for `miss`: add it to {CASES_PATH}"));
        }
        let page = runbooks.iter().find(|(page, _)| page == name).map_or("", |(_, text)| text);
        if let Some(section) = SECTIONS.iter().find(|section| !page.contains(*section)) {
            miss(&format!("lacks `{section}` in {RUNBOOKS_PATH}/{name}.md: write it"));
        }
    }
    let names: BTreeSet<&str> = alerts.iter().map(|(name, ..)| *name).collect();
    let pages = runbooks.iter().map(|(name, _)| (RUNBOOKS_PATH, 1, name.as_str()));
    let cases = cases.iter().map(|(name, line, _)| (CASES_PATH, *line, *name));
    let stale = cases.chain(pages).filter(|(.., name)| !names.contains(name));
    violations.extend(stale.map(|(path, line, name)| {
        Violation::new(path, line, format!("there is no alert {name}: remove it"))
    }));
    violations
}

/// Each block of lines that begins with this: its name, its line, and its text.
fn blocks<'a>(text: &'a str, begin: &str) -> Vec<(&'a str, usize, String)> {
    let mut blocks: Vec<(&str, usize, String)> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if let Some(name) = line.trim().strip_prefix(begin) {
            blocks.push((name, index + 1, String::new()));
        } else if let Some((.., block)) = blocks.last_mut() {
            block.push_str(line);
            block.push('\n');
        }
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str = "  - alert: A\n    for: 1m\n    labels: {severity: info}\n    runbook_url: docs/operate/runbooks/A.md\n";
    const CASES: &str =
        "  - name: A\n    {series: 'a{namespace=\"miss\"}'}\n    alertname: A\n    {namespace: hit}\n";

    fn pages(name: &str) -> Vec<(String, String)> {
        vec![(name.to_owned(), SECTIONS.join("\n"))]
    }

    #[test]
    fn an_alert_has_a_case_and_a_page() {
        assert_eq!(check(RULES, CASES, &pages("A")), []);
        assert_eq!(check(RULES, "", &pages("A")).len(), 1);
        assert_eq!(check(RULES, &CASES.replace("miss", "hit"), &pages("A")).len(), 1);
        assert_eq!(check(RULES, CASES, &[]).len(), 1);
        assert_eq!(check(&RULES.replace("for: 1m", ""), CASES, &pages("A")).len(), 1);
        assert_eq!(check(&RULES.replace("A.md", "B.md"), CASES, &pages("A")).len(), 1);
    }

    #[test]
    fn what_no_alert_has_is_stale() {
        assert_eq!(check("", CASES, &[]).len(), 1);
        assert_eq!(check("", "", &pages("A")).len(), 1);
    }
}

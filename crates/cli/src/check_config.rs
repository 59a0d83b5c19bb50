//! `fanfare check-config`: the settings in effect and where they come from, or every fault that `serve` would
//! find in them.

use auth::Verifier;

use crate::failure::Failure;
use crate::settings::NodeFlags;
use crate::text;

pub(crate) fn run(flags: &NodeFlags) -> Result<(), Failure> {
    let loaded = flags.load()?;
    let config = &loaded.config;
    let verifier = Verifier::new(&config.token)?;
    for warning in verifier.warnings() {
        text::tell(&format!("warning: {warning}"));
    }
    // Secrets often come where the node runs, and are not at hand where its settings are checked.
    if !verifier.has_keys() && !config.client.insecure {
        text::tell(&format!("warning: {}", edge::StartError::NoTokenKey));
    }
    text::print(&loaded.render()).map(|_| ())
}

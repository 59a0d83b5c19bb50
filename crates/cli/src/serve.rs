//! `fanfare serve`: settings in, a node running until it is told to end.

use edge::config::Loaded;
use edge::{Composition, Edge, Mode};

use crate::failure::Failure;
use crate::settings::NodeFlags;
use crate::{VERSION, development, text};

pub(crate) fn run(flags: &NodeFlags) -> Result<(), Failure> {
    let loaded = flags.load()?;
    edge::log::init(&loaded.config.log)
        .map_err(|error| Failure::unusable(format!("cannot start the log: {error}")))?;
    let outcome = serve(&loaded, flags.dev);
    edge::log::flush();
    outcome
}

fn serve(loaded: &Loaded, is_development: bool) -> Result<(), Failure> {
    let mode = if is_development { Mode::Development } else { Mode::Production };
    let edge = Edge::start(
        &loaded.config,
        Composition::new(&loaded.config, mode, VERSION).with_reload(loaded.clone()),
    )?;
    if is_development {
        let now = text::unix_time();
        text::print(&development::welcome(loaded, edge.public_addresses(), edge.internal_addresses(), now)?)?;
    }
    edge.wait();
    Ok(())
}

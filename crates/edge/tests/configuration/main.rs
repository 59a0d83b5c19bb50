//! Settings from files, variables and flags, as operators meet them: what is in effect, and what is refused.

mod chart;
mod layers;
mod mistakes;
mod reference;
mod secrets;
mod sources;

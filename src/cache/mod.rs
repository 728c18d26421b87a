//! Caches with limits in bytes. Each missing value is built once, by one builder per key.

mod bodies;
mod body;
mod failures;
mod flight;
mod governor;
mod kept;
mod ledger;
mod policy;
mod tiers;
mod work;

pub use bodies::{Bodies, BodySize, BodyWriter};
pub use body::{Body, RangeState};
pub use flight::{
    BuildLost, FlightEntry, FlightGuard, FlightRole, FlightSender, Flights, FreeKey, PendingResult, SingleFlight,
};
pub use governor::{BuildPermit, Governor, Shed};
pub use kept::{Cache, Limits};
pub use ledger::Ledger;
pub use policy::Admission;
pub use tiers::Tiers;

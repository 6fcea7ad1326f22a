//! The sandbox itself, on the wire.
#![cfg(feature = "sandbox")]

#[cfg(test)]
mod airalo;
#[cfg(test)]
mod airalo_faults;
#[cfg(test)]
mod airalo_wire;
#[cfg(test)]
mod contract;
#[cfg(test)]
mod control;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod moyasar;
#[cfg(test)]
mod moyasar_control;
#[cfg(test)]
mod moyasar_faults;
#[cfg(test)]
mod wire;

//! Giving up: resource limits, the user, capabilities, and every way to get them back.

use rustix::{
    process::{Gid, Uid},
    thread::{CapabilitySet, CapabilitySets},
};

use super::{Attempt, Failure, system};
use crate::{
    error::Layer,
    limits::{Limits, ResourceLimit, resource_limits},
};

/// Limits of the process itself. Hard and soft are equal, so none can be raised again.
pub(super) fn limit_resources(limits: &Limits) -> Result<(), Failure> {
    for ResourceLimit { name, resource, value, .. } in resource_limits(limits) {
        system::limit_resource(resource, value)
            .attempt(Layer::ResourceLimits, || format!("cannot set the limit of {name} to {value}"))?;
    }
    Ok(())
}

/// Empties the set that bounds what executing a file could grant.
pub(super) fn clear_bounding_set() -> Result<(), Failure> {
    // The kernel knows its own last capability: the first number it does not know ends the loop.
    for capability in 0..=63 {
        match system::process_control(libc::PR_CAPBSET_DROP, capability, 0) {
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) && capability > 0 => break,
            Err(error) => {
                return Err(error).attempt(Layer::Capabilities, || {
                    format!("cannot drop capability {capability} for good")
                });
            }
        }
    }
    Ok(())
}

/// Becomes a user and group of its own, with no further groups.
pub(super) fn become_user(id: u32) -> Result<(), Failure> {
    let what = || format!("cannot become user {id}");
    let (uid, gid) = (Uid::from_raw(id), Gid::from_raw(id));
    rustix::thread::set_thread_groups(&[]).attempt(Layer::Identity, what)?;
    rustix::thread::set_thread_res_gid(gid, gid, gid).attempt(Layer::Identity, what)?;
    rustix::thread::set_thread_res_uid(uid, uid, uid).attempt(Layer::Identity, what)
}

/// No capability in any set.
pub(super) fn drop_capabilities() -> Result<(), Failure> {
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    system::process_control(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL as u64, 0)
        .attempt(Layer::Capabilities, || "cannot clear the ambient capabilities".to_owned())?;
    rustix::thread::set_capabilities(None, none)
        .attempt(Layer::Capabilities, || "cannot drop the capabilities".to_owned())
}

/// No file can grant privileges any more, and no tracer can attach until the program starts; from
/// then on the interpreter's file mode (not readable) keeps it so.
pub(super) fn forbid_new_privileges() -> Result<(), Failure> {
    rustix::thread::set_no_new_privs(true)
        .attempt(Layer::NoNewPrivileges, || "cannot forbid new privileges".to_owned())?;
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
        .attempt(Layer::NoNewPrivileges, || "cannot forbid tracing".to_owned())
}

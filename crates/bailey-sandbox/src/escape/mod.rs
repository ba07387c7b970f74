//! Escapes: what a plugin could try, as a catalogue that any sandbox can be tried with.
//!
//! An [`Attack`] is one Python program in `attacks/` and the sentence it disproves. [`attempt`] runs
//! it as a plugin and says who won. The host is the judge wherever it can be: a [`Canary`] stands
//! outside with a server, sockets, a secret and a process, and sees for itself whether anything
//! reached it. A program that crashes has not been held: it must try, say so, and have had no effect.
//!
//! Attacks are harmless where they succeed: they aim at the canary only, ask the kernel for things
//! with arguments it cannot carry out, and stop by themselves. `bailey doctor` runs them on the
//! operator's machine before it is known to be safe.
//!
//! Start reading at [`ATTACKS`], then [`attempt`].

mod attempt;
mod canary;
mod catalogue;
mod sight;
mod verdict;

pub use attempt::{attempt, attempt_all};
pub use canary::Canary;
pub use catalogue::{ATTACKS, Attack, Bare, Difference, ELSEWHERE, Elsewhere, Group, Judge};
pub use verdict::Verdict;

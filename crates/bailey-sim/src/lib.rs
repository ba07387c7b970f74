//! A simulated Discord: gateway, REST, people to act as, a clock.

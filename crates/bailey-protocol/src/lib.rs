//! The words between Bailey and a plugin: ids, capabilities, events, methods, errors, limits. Pure data.

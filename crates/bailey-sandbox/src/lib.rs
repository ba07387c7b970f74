//! Starts, limits, watches and kills one untrusted process. The only unsafe code.

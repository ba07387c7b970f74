//! The client against a real simulator, over real sockets.

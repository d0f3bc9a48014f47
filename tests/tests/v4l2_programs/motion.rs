//! Motion 4 as client and as pusher.

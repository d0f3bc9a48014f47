//! A process's tie to the server: where it is, the connection and what is asked on it, which descriptor numbers are devices,
//! and the descriptors of ours that the program does not see.

pub mod connection;
pub mod environment;
pub mod hidden;
pub mod table;

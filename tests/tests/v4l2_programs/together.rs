//! Several programs on one pipe at once.

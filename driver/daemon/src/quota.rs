//! Limits for each user: descriptors, connections, open devices, shared memory, pipes.
//!
//! What is used is charged to the user (the uid that the kernel reports) as long as the [`Charge`] lives. Two
//! rules refuse:
//!
//! - **A user's limit** ([`Limits`]), which ordinary use does not reach. It does not hold for the server's own user,
//!   who can end the server anyway.
//! - **A share of the rest.** Descriptors and memory are finite. A user gets at most half of what the others leave
//!   (the server's own user: three quarters). So there is always something left for the next user, however many
//!   users take all that they can. (dbus-broker's accounting is the model.)

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing::warn;

/// What there is to share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Resource {
    /// Connections to the server.
    Connections,
    /// Open devices.
    Sessions,
    /// The server's own descriptors.
    Descriptors,
    /// Descriptors that were sent and not received yet. The kernel charges them to the server's user.
    InFlight,
    /// Bytes of rings, zero-copy frames and exported buffers.
    Memory,
    /// Pipes that a user has claimed of those that were made as spares.
    Pipes,
}

const KINDS: usize = 6;

impl Resource {
    /// Its name in messages, and the key of its limit in the configuration, if it has one.
    fn words(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::Connections => ("connections", Some("connections")),
            Self::Sessions => ("open devices", Some("open_devices")),
            Self::Descriptors => ("the server's descriptors", None),
            Self::InFlight => ("descriptors that were sent and not received", None),
            Self::Memory => ("bytes of shared memory", Some("memory")),
            Self::Pipes => ("spare pipes", None),
        }
    }
}

/// What each user except the server's own may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections: one a process.
    pub connections: u32,
    /// Devices that are open at a time.
    pub open_devices: u32,
    /// Mebibytes of shared memory: rings, zero-copy frames, exported buffers.
    pub memory: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: 4096, open_devices: 4096, memory: 1536 }
    }
}

/// The total of each resource.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Totals {
    /// The server's limit of descriptors.
    pub(crate) descriptors: u64,
    /// Bytes of memory that all rings together may have.
    pub(crate) memory: u64,
    /// Pipes that can be made as spares.
    pub(crate) pipes: u64,
}

/// Descriptors in flight: few enough for a user whose limit of descriptors is a system's usual 1024, and whose
/// other programs want to pass some, too.
const IN_FLIGHT: u64 = 512;
/// How often the log reports that a user has no more.
const TELL: Duration = Duration::from_secs(10);
/// How often the server looks whether others still have what it has dropped.
const LOOK: Duration = Duration::from_secs(1);

/// Why a charge was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exceeded;

#[derive(Debug, Default)]
struct User {
    used: [u64; KINDS],
    told: [Option<Instant>; KINDS],
}

#[derive(Debug)]
struct Ledger {
    /// The server's own user.
    own: u32,
    limits: [u64; KINDS],
    totals: [u64; KINDS],
    used: [u64; KINDS],
    users: HashMap<u32, User>,
}

impl Ledger {
    /// The most that a user may have at the moment.
    fn share(&self, uid: u32, kind: usize) -> u64 {
        let own = self.users.get(&uid).map_or(0, |user| user.used[kind]);
        let left = self.totals[kind].saturating_sub(self.used[kind] - own);
        if uid == self.own { left / 4 * 3 } else { (left / 2).min(self.limits[kind]) }
    }

    fn allows(&self, uid: u32, resource: Resource, amount: u64, spare: u64) -> bool {
        let kind = resource as usize;
        let share = self.share(uid, kind);
        let used = self.users.get(&uid).map_or(0, |user| user.used[kind]);
        used.saturating_add(amount).saturating_add(spare.min(share / 4)) <= share
    }

    fn take(&mut self, uid: u32, resource: Resource, amount: u64, spare: u64) -> Result<(), Exceeded> {
        let kind = resource as usize;
        let allowed = self.allows(uid, resource, amount, spare);
        let share = self.share(uid, kind);
        let total = self.totals[kind];
        let user = self.users.entry(uid).or_default();
        if !allowed {
            if user.told[kind].is_none_or(|told| told.elapsed() >= TELL) {
                user.told[kind] = Some(Instant::now());
                let (what, key) = resource.words();
                let remedy = match key {
                    Some(key) if share == self.limits[kind] => {
                        format!("the limit is `{key}` in the table `[limits]` of the configuration")
                    }
                    _ if resource == Resource::Descriptors => format!(
                        "some are kept for others, and {total} is the server's limit: start it with a higher \
                         one (ulimit -n, LimitNOFILE=)"
                    ),
                    _ => format!("some of the {total} are kept for others"),
                };
                warn!(
                    uid,
                    used = user.used[kind],
                    wanted = amount,
                    share,
                    "a user gets no more {what}: {remedy}"
                );
            }
            return Err(Exceeded);
        }
        user.used[kind] += amount;
        self.used[kind] += amount;
        Ok(())
    }

    fn give_back(&mut self, uid: u32, resource: Resource, amount: u64) {
        let kind = resource as usize;
        self.used[kind] = self.used[kind].saturating_sub(amount);
        let Some(user) = self.users.get_mut(&uid) else { return };
        user.used[kind] = user.used[kind].saturating_sub(amount);
        let silent = user.told.iter().flatten().all(|told| told.elapsed() >= TELL);
        if silent && user.used == [0; KINDS] {
            self.users.remove(&uid);
        }
    }
}

/// Memory that is charged until nobody has it any more; what it costs is given back when it is dropped.
pub(crate) trait Kept: fmt::Debug + Send {
    /// Whether another process has it.
    fn is_used(&self) -> bool;
}

/// The accounts of all users.
#[derive(Clone, Debug)]
pub(crate) struct Quotas {
    ledger: Arc<Mutex<Ledger>>,
    /// Memory that is still charged, because others may have it.
    kept: Arc<Mutex<Vec<Box<dyn Kept>>>>,
}

impl Quotas {
    /// `own` is the server's user.
    pub(crate) fn new(own: u32, limits: Limits, totals: Totals) -> Self {
        let none = u64::MAX;
        // In the order of `Resource`.
        let limits = [
            limits.connections.into(),
            limits.open_devices.into(),
            none,
            none,
            u64::from(limits.memory) * 1024 * 1024,
            none,
        ];
        let totals = [none, none, totals.descriptors, IN_FLIGHT, totals.memory, totals.pipes];
        let (used, users) = ([0; KINDS], HashMap::new());
        Self {
            ledger: Arc::new(Mutex::new(Ledger { own, limits, totals, used, users })),
            kept: Arc::default(),
        }
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Goes on charging for memory until nobody has it any more. Its user pays, not who has it: which process that is
    /// cannot be known.
    pub(crate) fn keep(&self, memory: Box<dyn Kept>) {
        if memory.is_used() {
            self.kept().push(memory);
        }
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Box<dyn Kept>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forget_unused(&self) {
        let mut kept = self.kept();
        let (used, unused): (Vec<_>, Vec<_>) =
            std::mem::take(&mut *kept).into_iter().partition(|memory| memory.is_used());
        *kept = used;
        drop(kept);
        // This gives back what they cost.
        drop(unused);
    }

    /// Forgets what nobody has any more. Returns when to look again, if anything is left.
    pub(crate) fn look_at_kept(&self, last: &mut Instant) -> Option<Duration> {
        if self.kept().is_empty() {
            return None;
        }
        let since = last.elapsed();
        if since < LOOK {
            return Some(LOOK - since);
        }
        *last = Instant::now();
        self.forget_unused();
        (!self.kept().is_empty()).then_some(LOOK)
    }

    /// Charges so much to a user, until what is returned is dropped.
    ///
    /// # Errors
    /// [`Exceeded`]; the server's log tells of it.
    pub(crate) fn charge(&self, uid: u32, resource: Resource, amount: u64) -> Result<Charge, Exceeded> {
        self.charge_sparing(uid, resource, amount, 0)
    }

    /// The same, only if the user then still has `spare` to take (a quarter of its share, where that is little).
    ///
    /// # Errors
    /// As [`Quotas::charge`].
    pub(crate) fn charge_sparing(
        &self,
        uid: u32,
        resource: Resource,
        amount: u64,
        spare: u64,
    ) -> Result<Charge, Exceeded> {
        let mut ledger = self.ledger();
        let may_be_kept = matches!(resource, Resource::Memory | Resource::Descriptors);
        if may_be_kept && !ledger.allows(uid, resource, amount, spare) {
            drop(ledger);
            self.forget_unused();
            ledger = self.ledger();
        }
        ledger.take(uid, resource, amount, spare)?;
        drop(ledger);
        Ok(Charge { quotas: self.clone(), uid, resource, amount })
    }
}

/// A charge; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Charge {
    quotas: Quotas,
    uid: u32,
    resource: Resource,
    amount: u64,
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.quotas.ledger().give_back(self.uid, self.resource, self.amount);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: u32 = 1;

    fn quotas(descriptors: u64) -> Quotas {
        let limits = Limits { connections: 10, open_devices: 1000, memory: 1 };
        Quotas::new(OWN, limits, Totals { descriptors, memory: 1 << 30, pipes: 8 })
    }

    /// All that a user can get, one by one.
    fn all(quotas: &Quotas, uid: u32, resource: Resource) -> Vec<Charge> {
        std::iter::from_fn(|| quotas.charge(uid, resource, 1).ok()).collect()
    }

    #[test]
    fn no_user_takes_the_last_from_another() {
        let quotas = quotas(1000);
        let greedy: Vec<Vec<Charge>> = (10..15).map(|uid| all(&quotas, uid, Resource::Descriptors)).collect();
        let counts: Vec<usize> = greedy.iter().map(Vec::len).collect();
        assert_eq!(counts, [500, 250, 125, 62, 31], "half of what the others leave");
        assert!(all(&quotas, 99, Resource::Descriptors).len() >= 15, "the next one gets some");
        drop(greedy);
        assert_eq!(all(&quotas, 99, Resource::Descriptors).len(), 500, "what is gone is given back");
        assert_eq!(all(&quotas, OWN, Resource::Descriptors).len(), 750);
    }

    #[test]
    fn a_limit_is_each_users_own_and_not_the_servers() {
        let quotas = quotas(1000);
        let (one, other) = (all(&quotas, 7, Resource::Connections), all(&quotas, 8, Resource::Connections));
        assert_eq!((one.len(), other.len()), (10, 10));
        let many: Result<Vec<Charge>, _> =
            (0..100).map(|_| quotas.charge(OWN, Resource::Connections, 1)).collect();
        assert!(many.is_ok());
        assert!(quotas.charge(7, Resource::Memory, 1 << 20).is_ok());
        assert!(quotas.charge(7, Resource::Memory, (1 << 20) + 1).is_err());
        assert!(quotas.charge(OWN, Resource::Memory, 700 << 20).is_ok());
        assert!(quotas.charge(OWN, Resource::Memory, u64::MAX).is_err(), "no sum runs over");
    }

    #[test]
    fn users_without_anything_are_forgotten() {
        let quotas = quotas(1000);
        for uid in 0..100 {
            drop(quotas.charge(uid, Resource::Sessions, 3));
        }
        assert!(quotas.ledger().users.is_empty());
        assert_eq!(quotas.ledger().used, [0; KINDS]);
    }
}

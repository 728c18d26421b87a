//! Locks on asset names, so that only one publisher at a time changes an `asset.json`. A lock is a lease: if its owner
//! dies, another can take it when its time is up.

use super::{Error, Library};

impl Library {
    /// Locks a name until `until`, or extends the lock of the same owner. `false`: another owner holds it.
    pub async fn lock_asset(&self, id: &str, owner: &str, until: i64, now: i64) -> Result<bool, Error> {
        const SQL: &str = "INSERT INTO asset_locks (id, owner, held_until) VALUES ($1, $2, $3) ON CONFLICT (id) DO UPDATE \
             SET owner = excluded.owner, held_until = excluded.held_until \
             WHERE asset_locks.held_until <= $4 OR asset_locks.owner = $2 RETURNING id";
        self.changed(SQL, vec![id.into(), owner.into(), until.into(), now.into()]).await
    }

    /// Unlocks a name. `false`: this owner does not hold the lock.
    pub async fn unlock_asset(&self, id: &str, owner: &str) -> Result<bool, Error> {
        const SQL: &str = "DELETE FROM asset_locks WHERE id = $1 AND owner = $2 RETURNING id";
        self.changed(SQL, vec![id.into(), owner.into()]).await
    }
}

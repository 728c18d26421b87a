//! Schema migrations, in order. A published step never changes: the database stores a checksum of each one.

use super::Error;
#[cfg(feature = "postgres")]
use sqlx::PgPool;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{SqlSafeStr, SqlitePool};
use std::time::Duration;

/// Number, name and text of each step.
const STEPS: [(i64, &str, &str); 4] = [
    (1, "begin", include_str!("migrations/1_begin.sql")),
    (2, "upload tokens", include_str!("migrations/2_upload_tokens.sql")),
    (3, "asset details", include_str!("migrations/3_asset_details.sql")),
    (4, "job deaths", include_str!("migrations/4_job_deaths.sql")),
];

/// Time limit for migrating, or for waiting while another process migrates.
const MIGRATING: Duration = Duration::from_mins(1);

/// The migrator. Callers use `run_direct`, because the future of `run` cannot be sent to another thread.
fn migrator() -> Migrator {
    let step = |&(number, name, sql): &(i64, &'static str, &'static str)| {
        Migration::new(number, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    };
    Migrator::with_migrations(STEPS.iter().map(step).collect())
}

/// Migrates an SQLite file. SQLite has no lock for this, so one transaction keeps all other processes out.
pub(super) async fn sqlite(pool: &SqlitePool) -> Result<(), Error> {
    within(async {
        let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
        migrator().run_direct(None, &mut *transaction, false).await?;
        Ok(transaction.commit().await?)
    })
    .await
}

/// Migrates a PostgreSQL database, under a lock that the migrator takes.
#[cfg(feature = "postgres")]
pub(super) async fn postgres(pool: &PgPool) -> Result<(), Error> {
    within(async {
        let mut connection = pool.acquire().await?;
        Ok(migrator().run_direct(None, &mut *connection, false).await?)
    })
    .await
}

async fn within(migrating: impl Future<Output = Result<(), Error>>) -> Result<(), Error> {
    match tokio::time::timeout(MIGRATING, migrating).await {
        Ok(done) => done,
        Err(_) => Err(Error::Away { why: format!("migrating it took longer than {} s", MIGRATING.as_secs()) }),
    }
}

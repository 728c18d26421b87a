//! The schema, as steps in the order in which they were written. A step that was published is never changed: the database
//! remembers what each one said.

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

/// How long to migrate, or to wait for another one who does.
const MIGRATING: Duration = Duration::from_mins(1);

/// Its `run` makes a future that cannot be sent to another thread; `run_direct` is what that calls.
fn migrator() -> Migrator {
    let step = |&(number, name, sql): &(i64, &'static str, &'static str)| {
        Migration::new(number, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    };
    Migrator::with_migrations(STEPS.iter().map(step).collect())
}

/// Brings a file up to date. SQLite has no lock for this: one transaction holds off all others.
pub(super) async fn sqlite(pool: &SqlitePool) -> Result<(), Error> {
    within(async {
        let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
        migrator().run_direct(None, &mut *transaction, false).await?;
        Ok(transaction.commit().await?)
    })
    .await
}

/// Brings a server's database up to date, under a lock of its own.
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

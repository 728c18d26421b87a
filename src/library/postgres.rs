//! Opens a PostgreSQL database, which several servers and workers may use at once.

#![cfg(feature = "postgres")]

use super::engine::Engine;
use super::{Error, migrate};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection};
use std::str::FromStr;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// Time limit of one attempt to connect.
const CONNECTING: Duration = Duration::from_secs(5);

/// Pause between two attempts to connect.
const PAUSE: Duration = Duration::from_millis(250);

/// Most connections of one process. One of them listens for notifications.
const CONNECTIONS: u32 = 10;

/// Opens the database at `url`. Waits up to `patience` for a server that does not answer.
pub(super) async fn open(url: &str, patience: Duration) -> Result<Engine, Error> {
    let options = PgConnectOptions::from_str(url)?.application_name("afflux").disable_statement_logging();
    let until = Instant::now() + patience;
    // A single connection reports what is wrong; a pool would only report a timeout.
    while let Err(error) = attempt(&options).await {
        if !error.is_away() || Instant::now() >= until {
            return Err(error);
        }
        sleep(PAUSE).await;
    }
    let pool = PgPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(CONNECTING);
    let pool = pool.connect_lazy_with(options);
    migrate::postgres(&pool).await?;
    Ok(Engine::Postgres(pool))
}

/// Connects and disconnects.
async fn attempt(options: &PgConnectOptions) -> Result<(), Error> {
    let place = match options.get_socket() {
        Some(folder) => folder.display().to_string(),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    };
    match timeout(CONNECTING, options.connect()).await {
        Ok(Ok(connection)) => {
            let _ = timeout(CONNECTING, connection.close()).await;
            Ok(())
        }
        Ok(Err(error)) => Err(match error.into() {
            Error::Away { why } => Error::Away { why: format!("{place}: {why}") },
            Error::Refused { why } => Error::Refused { why: format!("{place}: {why}") },
            other => other,
        }),
        Err(_) => Err(Error::Away { why: format!("{place}: no connection within {} s", CONNECTING.as_secs()) }),
    }
}

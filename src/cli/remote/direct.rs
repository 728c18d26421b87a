//! Makes a key in the database itself, for users who have no key left. This grants nothing new: write access to the
//! database allows all that a key allows.

use super::args::KeyWanted;
use super::error::Error;
use super::lists::{expires, print_key};
use crate::cli::service::url;
use crate::config::{Config, Overrides};
use crate::control::key_of;
use crate::library::Library;
use serde_json::json;
use std::io::{Write as _, stdout};
use std::path::Path;

/// Makes the key.
pub(super) async fn make_key(wanted: &KeyWanted, json: bool) -> Result<(), Error> {
    let url =
        database(wanted)?.ok_or_else(|| Error::Use("there is no database of keys: --library names one".into()))?;
    // `Library::open` would create a missing database, and a key in a database that no server uses would be worthless.
    if let Some(path) = url.strip_prefix("sqlite:").filter(|path| !Path::new(path).is_file()) {
        return Err(Error::File(format!("there is no database at {path}")));
    }
    let library = Library::open(&url).await?;
    let (key, hash, secret) = key_of(wanted.name.trim(), &wanted.scope.scopes, expires(wanted));
    let made = library.insert_key(&key, &hash).await;
    library.close().await;
    made?;
    if !json {
        return print_key(&key.id, &secret);
    }
    let scopes: Vec<String> = wanted.scope.scopes.iter().map(ToString::to_string).collect();
    let made = json!({ "id": key.id, "name": key.name, "scopes": scopes, "active": true, "created": key.created,
        "expires": key.expires, "secret": secret });
    Ok(writeln!(stdout(), "{made}")?)
}

/// The database's address, from the arguments or the settings.
fn database(wanted: &KeyWanted) -> Result<Option<String>, Error> {
    // The media folder need not be where the database is.
    if let (Some(library), None, None) = (&wanted.library, &wanted.config, &wanted.media) {
        return Ok(library.url(None));
    }
    let (media, library) = (wanted.media.clone(), wanted.library.clone());
    let config = Config::load(wanted.config.as_deref(), Overrides { media, library, ..Overrides::default() });
    Ok(url(&config.map_err(|error| Error::Use(error.to_string()))?))
}

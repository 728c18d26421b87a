//! The section `[library]` of the configuration: the database of uploads, jobs, keys and assets. Its URL may contain a
//! password, which is never printed.

use super::build::THIS;
use serde::{Deserialize, Deserializer, de};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The folder for our own files among the media; hidden, so that no asset is in it.
const FOLDER: &str = ".afflux";

/// `[library]`: the database of uploads, jobs, keys and assets.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LibraryConfig {
    /// Location of the database.
    pub url: Database,
}

/// Location of the database.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Database {
    /// A file next to the media if these are in a folder; otherwise no database.
    #[default]
    Beside,
    /// No database: there are no uploads, no jobs and no API.
    None,
    /// An SQLite file.
    File(PathBuf),
    /// A PostgreSQL database.
    Postgres(PostgresUrl),
}

/// URL of a PostgreSQL database. It may contain a password, so `Display` and `Debug` print only its host, port
/// and database.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresUrl(String);

impl PostgresUrl {
    /// Host with port, and the path with its slash. `None` if they cannot be told from a password that is not
    /// percent-encoded.
    fn place(&self) -> Option<(&str, &str)> {
        let (_, rest) = self.0.split_once("://")?;
        // RFC 3986 §3.2: the authority ends at the first of these.
        let (authority, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let port = host.rsplit_once(':').map_or("", |(_, port)| port);
        let is_port = port.ends_with(']') || port.chars().all(|c| c.is_ascii_digit());
        // The query may contain a password too.
        let path = rest.split(['?', '#']).next().unwrap_or_default();
        (is_port && !rest.contains('@')).then_some((host, path))
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place() {
            Some((host, path)) => write!(f, "postgres://{host}{path}"),
            None => f.write_str("postgres://…"),
        }
    }
}

impl Database {
    /// URL of the database to open, given the folder of media; `None` for no database.
    #[must_use]
    pub fn url(&self, media: Option<&Path>) -> Option<String> {
        let file = |path: &Path| format!("sqlite:{}", path.display());
        match self {
            Self::Beside => media.map(|media| file(&media.join(FOLDER).join("library.db"))),
            Self::None => None,
            Self::File(path) => Some(file(path)),
            Self::Postgres(url) => Some(url.0.clone()),
        }
    }
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Beside => f.write_str("beside the media"),
            Self::None => f.write_str("none"),
            Self::File(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(url) => write!(f, "{url}"),
        }
    }
}

impl FromStr for Database {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const ALLOWED: &str = "a database is sqlite:file, postgres://user@host/name, or none";
        if let Some(why) = THIS.refuses(text) {
            return Err(why);
        }
        match text {
            "" => Ok(Self::Beside),
            "none" => Ok(Self::None),
            _ if ["postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme)) => {
                Ok(Self::Postgres(PostgresUrl(text.into())))
            }
            _ => match text.strip_prefix("sqlite:").map(|path| path.strip_prefix("//").unwrap_or(path)) {
                Some(path) if !path.is_empty() && !path.contains('?') => Ok(Self::File(path.into())),
                Some(_) | None => Err(ALLOWED),
            },
        }
    }
}

impl<'de> Deserialize<'de> for Database {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Unlike for other values, the error does not quote the text, which may contain a password.
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::Database;
    use std::path::Path;

    #[test]
    fn a_database_is_a_file_a_server_or_none() {
        let url = |text: &str| text.parse::<Database>().map(|place| place.url(Some(Path::new("films"))));
        assert_eq!(url(""), Ok(Some("sqlite:films/.afflux/library.db".into())));
        assert_eq!("".parse::<Database>().unwrap().url(None), None);
        assert_eq!(url("none"), Ok(None));
        assert_eq!(url("sqlite:/var/lib/afflux.db"), Ok(Some("sqlite:/var/lib/afflux.db".into())));
        assert_eq!(url("sqlite:///var/lib/afflux.db"), Ok(Some("sqlite:/var/lib/afflux.db".into())));
        assert_eq!(url("postgres://u@h/n"), Ok(Some("postgres://u@h/n".into())));
        for wrong in ["sqlite:", "mysql://h/n", "afflux.db"] {
            assert!(url(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn no_part_of_a_url_that_may_hold_a_secret_is_printed() {
        for (url, printed) in [
            ("postgres://user:secret@host:5432/name", "postgres://host:5432/name"),
            ("postgresql://user:secret@[::1]:5432/name", "postgres://[::1]:5432/name"),
            ("postgres://host/name?user=u&password=secret", "postgres://host/name"),
            ("postgres://host?password=secret#part", "postgres://host"),
            ("postgres:///name?password=secret", "postgres:///name"),
            // A password that is not percent-encoded: no part can be told apart.
            ("postgres://host/name?password=sec@ret", "postgres://…"),
            ("postgres://user:sec?ret@host/name", "postgres://…"),
            ("postgres://user:sec/ret@host/name", "postgres://…"),
            ("postgres://user:sec@/ret@host/name", "postgres://…"),
            ("postgres://user:secret/name", "postgres://…"),
        ] {
            let place: Database = url.parse().unwrap();
            assert_eq!((place.to_string(), format!("{place:?}")), (printed.into(), format!("Postgres({printed})")));
        }
    }
}

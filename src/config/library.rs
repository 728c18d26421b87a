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
    /// A PostgreSQL database. Its URL may contain a password: `Display` leaves out the part before `@`.
    Postgres(String),
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
            Self::Postgres(url) => Some(url.clone()),
        }
    }
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Beside => f.write_str("beside the media"),
            Self::None => f.write_str("none"),
            Self::File(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(url) => {
                let host = url.rsplit_once('@').map_or("postgres://…", |(_, rest)| rest);
                write!(f, "postgres://{}", host.trim_start_matches("postgres://"))
            }
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
                Ok(Self::Postgres(text.into()))
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
    fn a_password_is_not_printed() {
        let place: Database = "postgres://user:secret@host:5432/name".parse().unwrap();
        assert_eq!(place.to_string(), "postgres://host:5432/name");
    }
}

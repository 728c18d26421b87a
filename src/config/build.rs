//! The optional parts of this build. A setting that needs a missing part is refused, naming the feature to rebuild
//! with.

/// The optional parts of a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BuildFeatures {
    postgres: bool,
    clouds: bool,
}

/// The parts of this build.
pub(super) const THIS: BuildFeatures =
    BuildFeatures { postgres: cfg!(feature = "postgres"), clouds: cfg!(feature = "clouds") };

impl BuildFeatures {
    /// The reason why this build cannot use `url`; `None` if it can.
    pub(super) fn refuses(self, url: &str) -> Option<&'static str> {
        let (scheme, _) = url.split_once("://")?;
        match scheme {
            "postgres" | "postgresql" if !self.postgres => {
                Some("this build has no PostgreSQL: rebuild with --features postgres")
            }
            "gs" if !self.clouds => Some("this build has no Google Cloud Storage: rebuild with --features clouds"),
            "az" if !self.clouds => Some("this build has no Azure: rebuild with --features clouds"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::BuildFeatures;

    #[test]
    fn a_build_refuses_what_it_lacks_and_names_the_feature() {
        let quick = BuildFeatures { postgres: false, clouds: false };
        let refused = |url| quick.refuses(url).unwrap_or("taken");
        assert_eq!(refused("postgres://u:p@h/n"), "this build has no PostgreSQL: rebuild with --features postgres");
        assert_eq!(refused("postgresql://h/n"), "this build has no PostgreSQL: rebuild with --features postgres");
        assert_eq!(refused("gs://b/p"), "this build has no Google Cloud Storage: rebuild with --features clouds");
        assert_eq!(refused("az://c/p"), "this build has no Azure: rebuild with --features clouds");
        for url in ["sqlite:/f", "s3://b/p", "https://h/p", "file:///f", "none", ""] {
            assert_eq!(refused(url), "taken", "{url}");
        }
        let full = BuildFeatures { postgres: true, clouds: true };
        for url in ["postgres://h/n", "gs://b/p", "az://c/p"] {
            assert_eq!(full.refuses(url), None, "{url}");
        }
    }
}

//! Changes titles and descriptive metadata: in `asset.json` if the asset has one, since players' pages show that;
//! otherwise only in the library.

use super::record::row_of;
use crate::catalog::ExistingAsset;
use crate::ingest::clock::now;
use crate::ingest::error::Error;
use crate::ingest::random::token;
use crate::ingest::service::Ingest;
use crate::library::AssetRow;
use crate::media::{AssetId, Descriptor, Details, check_title};
use std::collections::BTreeMap;

/// A change of one field: `None` leaves it, `Some(None)` removes it.
pub type FieldChange<T> = Option<Option<T>>;

/// Changes to an asset's description.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DescriptionChange {
    /// Title.
    pub title: FieldChange<String>,
    /// Description.
    pub description: FieldChange<String>,
    /// Search words; the list is replaced as a whole.
    pub tags: FieldChange<Vec<String>>,
    /// Language of the asset.
    pub language: FieldChange<String>,
    /// Custom keys to set, or with `None` to remove.
    pub custom: FieldChange<BTreeMap<String, Option<String>>>,
}

impl DescriptionChange {
    /// Whether the revision changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Title and details after the revision.
    fn apply(&self, title: Option<String>, mut details: Details) -> Result<(Option<String>, Details), Error> {
        let title = self.title.clone().unwrap_or(title);
        if let Some(description) = &self.description {
            details.description.clone_from(description);
        }
        if let Some(tags) = &self.tags {
            details.tags = tags.clone().unwrap_or_default();
        }
        if let Some(language) = &self.language {
            details.language.clone_from(language);
        }
        match &self.custom {
            None => {}
            Some(None) => details.custom.clear(),
            Some(Some(changed)) => {
                details.custom.retain(|key, _| !changed.contains_key(key));
                let kept = changed.iter().filter_map(|(key, value)| Some((key.clone(), value.clone()?)));
                details.custom.extend(kept);
            }
        }
        let wrong = |error: crate::media::DetailsError| Error::Field(error.to_string());
        title.as_deref().map_or(Ok(()), check_title).and_then(|()| details.check()).map_err(wrong)?;
        Ok((title, details))
    }
}

impl Ingest {
    /// Changes the description of the asset `id`; returns its new row.
    pub async fn revise(&self, id: &AssetId, revision: &DescriptionChange) -> Result<AssetRow, Error> {
        let held = token::<8>();
        self.lock_name(id, &held).await?;
        let revised = self.revise_held(id, revision).await;
        self.library.unlock_asset(id.as_str(), &held).await?;
        revised
    }

    async fn revise_held(&self, id: &AssetId, revision: &DescriptionChange) -> Result<AssetRow, Error> {
        let known = self.library.asset(id.as_str()).await?;
        if known.as_ref().is_some_and(|row| row.deleted.is_some()) {
            return Err(Error::Conflict(format!("{id} is deleted: restore it first")));
        }
        let asset = self.catalog.open(id).await?;
        let row = match self.catalog.claim(id).await? {
            ExistingAsset::Described(descriptor) => {
                let before = Descriptor::clone(&descriptor);
                let (title, details) = revision.apply(before.title.clone(), before.details.clone())?;
                let after = Descriptor { title, details, ..before };
                if after != *descriptor {
                    self.describe(id, &after).await?;
                }
                let asset = self.catalog.renewed(id).await?;
                row_of(&asset, known, now())
            }
            ExistingAsset::None | ExistingAsset::Loose(_) => {
                let row = row_of(&asset, known, now());
                let (title, details) = revision.apply(row.title.clone(), row.details.clone())?;
                AssetRow { title: Some(title.unwrap_or_else(|| id.last_part().into())), details, ..row }
            }
        };
        self.library.put_asset(&row, now()).await?;
        self.annotate_row(&row);
        tracing::info!(asset = %id, "the description of an asset is changed");
        Ok(row)
    }
}

#[cfg(test)]
mod tests {
    use super::DescriptionChange;
    use crate::media::Details;

    #[test]
    fn what_is_not_named_stays_and_null_removes() {
        let before = Details {
            description: Some("old".into()),
            tags: vec!["a".into()],
            language: Some("en".into()),
            custom: [("a", "1"), ("b", "2")].map(|(key, value)| (key.into(), value.into())).into(),
        };
        let revision = DescriptionChange {
            description: Some(None),
            custom: Some(Some([("a".into(), None), ("c".into(), Some("3".into()))].into())),
            ..DescriptionChange::default()
        };
        let (title, after) = revision.apply(Some("T".into()), before.clone()).unwrap();
        let custom = [("b", "2"), ("c", "3")].map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        assert_eq!((title, after), (Some("T".into()), Details { description: None, custom, ..before }));
    }

    #[test]
    fn what_would_be_out_of_bounds_is_refused() {
        let revision = DescriptionChange { title: Some(Some("a\u{7}".into())), ..DescriptionChange::default() };
        assert!(revision.apply(None, Details::default()).is_err());
    }
}

//! Builds the stores that the settings name, and mounts them.

use super::backend::Backend;
use super::error::Error;
use super::local::{LinkPolicy, LocalFolder};
use super::remote::{Blocks, ConnectedStore, Remote, RemoteSettings, RemoteTimeouts};
use super::tree::{Mount, Store};
use crate::cache::Ledger;
use crate::config::{self, Location, Options};
use std::path::Path;
use std::sync::Arc;

/// Settings and state that all stores share.
struct RemoteDefaults {
    blocks: Arc<Blocks>,
    patience: RemoteTimeouts,
    /// Which symbolic links folders follow.
    following: LinkPolicy,
    /// Number of object stores built so far.
    count: u32,
}

impl Store {
    /// Builds the stores that `settings` name. Sends no requests to object stores yet, so that the program starts even
    /// if one does not answer. Their blocks take at most `blocks` bytes in memory.
    pub fn of_settings(settings: &config::StoreConfig, blocks: u64) -> Result<Self, Error> {
        let patience = RemoteTimeouts { timeout: settings.timeout };
        let following = if settings.follow_links { LinkPolicy::Anywhere } else { LinkPolicy::Within };
        let blocks = Blocks::new(blocks, Arc::new(Ledger::default()));
        let mut common = RemoteDefaults { blocks, patience, following, count: 0 };
        let first = if settings.url.is_empty() {
            Backend::Folder(LocalFolder::new(&settings.media, following)?)
        } else {
            common.backend(&settings.url, &settings.options)?
        };
        let mut mounts = vec![common.mount("", first, &settings.fallback)?];
        for mount in &settings.mounts {
            let first = common.backend(&mount.url, &mount.options)?;
            mounts.push(common.mount(mount.prefix.as_str(), first, &mount.fallback)?);
        }
        Ok(Self::of(mounts))
    }
}

impl RemoteDefaults {
    fn mount(&mut self, prefix: &str, first: Backend, second: &config::StoreAddress) -> Result<Mount, Error> {
        let mut backends = vec![first];
        if !second.url.is_empty() {
            backends.push(self.backend(&second.url, &second.options)?);
        }
        Ok(Mount { prefix: prefix.into(), backends })
    }

    fn backend(&mut self, url: &Location, options: &Options) -> Result<Backend, Error> {
        if let Some(folder) = url.as_str().strip_prefix("file://") {
            return Ok(Backend::Folder(LocalFolder::new(Path::new(folder), self.following)?));
        }
        let ConnectedStore { store, capabilities, is_web, root } = ConnectedStore::new(url, options)?;
        let number = self.count;
        self.count += 1;
        let address = RemoteSettings { name: url.to_string(), root, number, lists: !is_web, patience: self.patience };
        Ok(Backend::Remote(Arc::new(Remote::new(store, address, Arc::clone(&self.blocks)).with(capabilities))))
    }
}

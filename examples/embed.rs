//! The origin embedded in another program: prints the media playlist of the first variant of an asset.
//!   cargo run --example embed -- fixtures/media natural

use afflux::config::{Config, Overrides};
use afflux::metrics::Metrics;
use afflux::origin::{Demand, Origin, Stages};
use afflux::route::Route;
use std::sync::Arc;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let [_, media, asset] = std::env::args().collect::<Vec<_>>().try_into().map_err(|_| "usage: embed FOLDER ASSET")?;
    let config = Config::load(None, Overrides { media: Some(media.into()), ..Overrides::default() })?;
    let origin = Origin::open(&config, Arc::new(Metrics::new()))?;
    let text = async |path: String| -> Result<String, Box<dyn std::error::Error>> {
        let route = Route::parse(&path).ok_or("not a path of Afflux")?;
        let reply = origin.reply(&route, &Demand::Whole, &mut Stages::default()).await?;
        Ok(String::from_utf8(reply.content.read(0..reply.content.len()).await?.concat())?)
    };
    let entry = text(format!("/vod/{asset}/index.m3u8")).await?;
    let first = entry.lines().find(|line| !line.starts_with('#')).ok_or("a playlist without variants")?;
    print!("{}", text(format!("/vod/{asset}/{first}")).await?);
    Ok(())
}

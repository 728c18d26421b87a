//! Each command, begun and ended: 0 when it was done, 1 when it was refused, 2 when it was not asked rightly.

use super::api::Api;
use super::args::UploadArgs;
use super::args::{
    AssetsArgs, AssetsCommand, AssetsList, JobsArgs, JobsCommand, JobsList, KeysArgs, KeysCommand, Remote,
};
use super::direct;
use super::error::Error;
use super::lists::Lists;
use crate::cli::plain::plain;
use std::io::{ErrorKind, Write as _, stderr};
use std::process::ExitCode;
use tokio::runtime::Builder;

/// `afflux upload`.
#[must_use]
pub fn upload(args: &UploadArgs) -> ExitCode {
    run(async { super::upload::upload(&Api::new(&args.remote)?, args).await })
}

/// `afflux assets`.
#[must_use]
pub fn assets(args: &AssetsArgs) -> ExitCode {
    run(async {
        let listed = AssetsCommand::List(args.list.clone());
        let command = args.what.as_ref().unwrap_or(&listed);
        alone(args.what.is_none() || args.list == AssetsList::default())?;
        let api = Api::new(&args.remote)?;
        lists(&api, &args.remote).assets(command).await.map(|()| ExitCode::SUCCESS)
    })
}

/// `afflux jobs`.
#[must_use]
pub fn jobs(args: &JobsArgs) -> ExitCode {
    run(async {
        let listed = JobsCommand::List(args.list.clone());
        let command = args.what.as_ref().unwrap_or(&listed);
        alone(args.what.is_none() || args.list == JobsList::default())?;
        let api = Api::new(&args.remote)?;
        lists(&api, &args.remote).jobs(command).await.map(|()| ExitCode::SUCCESS)
    })
}

/// `afflux keys`.
#[must_use]
pub fn keys(args: &KeysArgs) -> ExitCode {
    run(async {
        let command = args.what.as_ref().unwrap_or(&KeysCommand::List);
        if let KeysCommand::Make(wanted) = command
            && wanted.is_direct()
        {
            return direct::make_key(wanted, args.remote.json).await.map(|()| ExitCode::SUCCESS);
        }
        let api = Api::new(&args.remote)?;
        lists(&api, &args.remote).keys(command).await.map(|()| ExitCode::SUCCESS)
    })
}

const fn lists<'a>(api: &'a Api, remote: &Remote) -> Lists<'a> {
    Lists { api, json: remote.json }
}

/// What says which are listed stands behind `list`, or where nothing else is done.
fn alone(is_alone: bool) -> Result<(), Error> {
    is_alone.then_some(()).ok_or_else(|| Error::Use("what says which are listed belongs behind `list`".into()))
}

/// Does it, and says on one line why not.
fn run(work: impl Future<Output = Result<ExitCode, Error>>) -> ExitCode {
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return told(&Error::Output(error)),
    };
    runtime.block_on(work).unwrap_or_else(|error| told(&error))
}

fn told(error: &Error) -> ExitCode {
    // Whoever stopped reading has what he wanted.
    if matches!(error, Error::Output(error) if error.kind() == ErrorKind::BrokenPipe) {
        return ExitCode::SUCCESS;
    }
    // A closed standard error leaves the exit code to speak.
    let _ = writeln!(stderr(), "afflux: {}", plain(&error.to_string()));
    error.code()
}

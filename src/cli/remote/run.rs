//! Runs each command. Exit codes: 0 done, 1 refused or failed, 2 wrong use.

use super::api::ApiClient;
use super::args::UploadArgs;
use super::args::{
    AssetsArgs, AssetsCommand, AssetsList, JobsArgs, JobsCommand, JobsList, KeysArgs, KeysCommand, ServerArgs,
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
    run(async { super::upload::upload(&ApiClient::new(&args.remote)?, args).await })
}

/// `afflux assets`.
#[must_use]
pub fn assets(args: &AssetsArgs) -> ExitCode {
    run(async {
        let listed = AssetsCommand::List(args.list.clone());
        let command = args.what.as_ref().unwrap_or(&listed);
        alone(args.what.is_none() || args.list == AssetsList::default())?;
        let api = ApiClient::new(&args.remote)?;
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
        let api = ApiClient::new(&args.remote)?;
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
        let api = ApiClient::new(&args.remote)?;
        lists(&api, &args.remote).keys(command).await.map(|()| ExitCode::SUCCESS)
    })
}

const fn lists<'a>(api: &'a ApiClient, remote: &ServerArgs) -> Lists<'a> {
    Lists { api, json: remote.json }
}

/// Fails unless `is_alone`: list filters belong after `list`, or after the command if there is no subcommand.
fn alone(is_alone: bool) -> Result<(), Error> {
    is_alone.then_some(()).ok_or_else(|| Error::Use("what says which are listed belongs behind `list`".into()))
}

/// Runs `work`, and prints the error on one line if it fails.
fn run(work: impl Future<Output = Result<ExitCode, Error>>) -> ExitCode {
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return report_error(&Error::Output(error)),
    };
    runtime.block_on(work).unwrap_or_else(|error| report_error(&error))
}

fn report_error(error: &Error) -> ExitCode {
    // A reader who closes standard output early has read enough: no failure.
    if matches!(error, Error::Output(error) if error.kind() == ErrorKind::BrokenPipe) {
        return ExitCode::SUCCESS;
    }
    // If standard error is closed, the exit code alone reports the failure.
    let _ = writeln!(stderr(), "afflux: {}", plain(&error.to_string()));
    error.code()
}

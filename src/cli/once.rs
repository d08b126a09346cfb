//! `pullmint once`: one pass, with a progress bar on a terminal.

use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::{Instant, timeout_at};

use crate::cli::{ConfigArgs, HomeArgs, Outcome, complain, explain, print};
use crate::daemon::pass::Pass;
use crate::sync::summary::Summary;

/// What `once` takes.
#[derive(Debug, Args)]
pub(super) struct OnceArgs {
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    home: HomeArgs,
    /// How long the pass may take, in seconds, waiting for the API server included
    #[arg(long, default_value_t = 300, value_name = "SECONDS")]
    timeout: u64,
}

/// How long writes that fail are tried again after all others are through.
const PATIENCE: Duration = Duration::from_secs(10);

#[allow(clippy::disallowed_methods, reason = "the end of a wait, on which no decision depends")]
pub(super) async fn once(args: &OnceArgs) -> Outcome {
    let (settings, site) = match args.config.in_cluster(&args.home).await {
        Ok(ready) => ready,
        Err(outcome) => return outcome,
    };
    let deadline = Instant::now() + Duration::from_secs(args.timeout);
    let mut pass = match timeout_at(deadline, Pass::start(&settings, &site)).await {
        Ok(Ok(pass)) => pass,
        Ok(Err(error)) => {
            complain(&explain(&error));
            return Outcome::Failed;
        }
        Err(_) => {
            complain(&format!("the API server did not answer within {} s, so nothing was done", args.timeout));
            return Outcome::Failed;
        }
    };
    let in_time = timeout_at(deadline, go(&mut pass)).await.is_ok();
    if !in_time {
        complain(&format!("the pass took longer than {} s", args.timeout));
    }
    conclude(&pass, in_time)
}

/// All keepers have tried, the syncer has nothing left to do, and what failed has been tried again for a while.
async fn go(pass: &mut Pass) {
    let bar = progress_bar();
    bar.set_message("minting");
    while pass.keepers.join_next().await.is_some() {}
    bar.set_message("writing");
    let mut summary = pass.summary.clone();
    let followed = async {
        loop {
            let now = summary.borrow_and_update().clone();
            show(&bar, &now);
            if now.settled && now.failing == 0 || summary.changed().await.is_err() {
                return;
            }
        }
    };
    let mut settled = pass.summary.clone();
    let patience = async {
        let _ended = settled.wait_for(|summary| summary.settled || summary.blocked.is_some()).await.is_err();
        tokio::time::sleep(PATIENCE).await;
    };
    tokio::select! {
        () = followed => {}
        () = patience => {}
    }
    bar.finish_and_clear();
    // The task that keeps the state may not have come to it yet, and the process is about to end.
    if let Err(error) = pass.state.save(&pass.slots).await {
        complain(&format!("could not save the state, so the next pass will mint anew: {error}"));
    }
}

fn progress_bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {msg} {wide_bar} {pos}/{len}");
    ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn show(bar: &ProgressBar, summary: &Summary) {
    let done = summary.in_sync + summary.refused + summary.waiting;
    bar.set_length((done + summary.queued + summary.failing) as u64);
    bar.set_position(done as u64);
}

fn conclude(pass: &Pass, in_time: bool) -> Outcome {
    let summary = pass.summary.borrow().clone();
    let mut text = String::new();
    let mut failed_registries = 0;
    for (registry, slot) in &pass.slots {
        let slot = slot.borrow();
        match (&slot.failure, &slot.current) {
            (Some(failure), _) => {
                failed_registries += 1;
                text.push_str(&format!("{}: {}\n  remedy: {}\n", registry.name, failure.message, failure.remedy));
            }
            (None, Some(minted)) => {
                text.push_str(&format!("{}: fresh until {}\n", registry.name, minted.credential.expiry));
            }
            (None, None) => {
                failed_registries += 1;
                text.push_str(&format!("{}: no credential in time\n", registry.name));
            }
        }
    }
    if let Some(why) = &summary.blocked {
        text.push_str(&format!("no namespace can be seen: {why}\n"));
    }
    for (object, problem) in &summary.problems {
        text.push_str(&format!("{object}: {problem}\n"));
    }
    let Summary { in_sync, writes, refused, failing, waiting, queued, .. } = summary;
    text.push_str(&format!(
        "{in_sync} in place, {writes} written, {refused} refused, {failing} failing, {waiting} waiting\n"
    ));
    let printed = print(&text);
    let flawed = failed_registries + refused + failing + waiting + queued > 0 || summary.blocked.is_some() || !in_time;
    match (printed, flawed, in_sync) {
        (Outcome::Done, false, _) => Outcome::Done,
        (Outcome::Done, true, 1..) => Outcome::Partial,
        _ => Outcome::Failed,
    }
}

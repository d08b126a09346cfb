//! The syncer against a real API server: credentials are put into slots by hand, no cloud takes part.

#[path = "sync/accounts.rs"]
mod accounts;
#[path = "sync/ahead.rs"]
mod ahead;
#[path = "sync/bed.rs"]
mod bed;
#[path = "sync/board.rs"]
mod board;
#[path = "sync/bytes.rs"]
mod bytes;
#[path = "sync/churn.rs"]
mod churn;
#[path = "sync/counts.rs"]
mod counts;
#[path = "sync/faults.rs"]
mod faults;
#[path = "sync/given.rs"]
mod given;
#[path = "sync/lifecycle.rs"]
mod lifecycle;
#[path = "sync/load.rs"]
mod load;
#[path = "sync/merge.rs"]
mod merge;
#[path = "sync/ownership.rs"]
mod ownership;
#[path = "sync/rbac.rs"]
mod rbac;
#[path = "sync/reassign.rs"]
mod reassign;
#[path = "sync/rivals.rs"]
mod rivals;
#[path = "sync/terms.rs"]
mod terms;

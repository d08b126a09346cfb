//! Images of real pods that do not pull, as the leader tells of them.

#[path = "sync/ahead.rs"]
mod ahead;
#[path = "pulls/bed.rs"]
mod bed;
#[path = "pulls/economy.rs"]
mod economy;
#[path = "pulls/rights.rs"]
mod rights;
#[path = "pulls/story.rs"]
mod story;

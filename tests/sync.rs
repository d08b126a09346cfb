//! The syncer against a real API server: credentials are put into slots by hand, no cloud takes part.

#[path = "sync/bed.rs"]
mod bed;

use bed::{Bed, claim, minted};

#[tokio::test]
async fn selected_namespaces_get_the_secret_and_others_do_not() {
    let bed = Bed::new().await;
    let (slot, claim) = claim("ecr", "pull-basic", &["basic-*"]);
    bed.namespaces("basic", 3).await;
    bed.namespaces("other", 1).await;
    let syncer = bed.sync(vec![claim]);
    slot.send_modify(|slot| slot.current = Some(minted("hunter2", 3600)));
    bed.until_secret("basic-2", "pull-basic", |config| config.contains("hunter2")).await;
    assert!(bed.secret("other-0", "pull-basic").await.is_none());
    syncer.until_settled().await;
    assert_eq!(syncer.summary().in_sync, 3);
}

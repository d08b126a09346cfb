//! What happened to a Secret that the people of its namespace should know. Told by the syncer, on the way, to whoever
//! publishes it; where nobody takes it in time it is dropped.

/// One thing that happened to one Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incident {
    /// It is somebody else's, and was left to them. As long as that is so, it is told again now and then.
    Refused {
        /// Where.
        namespace: String,
        /// Its name.
        secret: String,
        /// Its identity, if it was seen.
        uid: Option<String>,
        /// Whose it is, and what to do about it.
        why: String,
    },
    /// It was ours, somebody had changed it, and it is again as it should be.
    Repaired {
        /// Where.
        namespace: String,
        /// Its name.
        secret: String,
        /// Its identity, if it was seen.
        uid: Option<String>,
        /// The field manager that had changed it, if known.
        by: Option<String>,
    },
}

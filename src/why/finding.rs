//! What is told of a case: the cause, what shows it, and what mends it.

use schemars::JsonSchema;
use serde::Serialize;

use crate::why::catalogue::Code;

/// One cause, for one case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The cause's stable code.
    pub code: Code,
    /// How sure it is.
    pub certainty: Certainty,
    /// The cause in one sentence. It names no pod, so that equal ones can be told together.
    pub sentence: String,
    /// What was asked, what answered, which Secret and key were used or why not.
    pub evidence: Vec<String>,
    /// What to do, in words.
    pub cure: String,
    /// The same as one command, where there is one.
    pub command: Option<String>,
    /// Causes that look the same from here, with what would tell them apart.
    pub or_else: Vec<Alternative>,
}

/// A cause that looks the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Alternative {
    /// Its code.
    pub code: Code,
    /// What would tell it from the finding.
    pub told_by: String,
}

/// How sure a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Certainty {
    /// It was seen.
    Certain,
    /// All that was seen speaks for it.
    Likely,
    /// Others are as possible.
    Possible,
}

impl Certainty {
    /// The stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Certain => "certain",
            Self::Likely => "likely",
            Self::Possible => "possible",
        }
    }
}

impl Finding {
    /// A finding of which nothing but the cause has been said.
    #[must_use]
    pub fn new(code: Code, certainty: Certainty, sentence: impl Into<String>) -> Self {
        let cure = code.entry().cure.to_owned();
        let (evidence, or_else) = (Vec::new(), Vec::new());
        Self { code, certainty, sentence: sentence.into(), evidence, cure, command: None, or_else }
    }

    /// With what mends it, in words for this case.
    #[must_use]
    pub fn cured_by(mut self, cure: impl Into<String>) -> Self {
        self.cure = cure.into();
        self
    }

    /// With what mends it, as a command.
    #[must_use]
    pub fn command(mut self, command: impl Into<String>) -> Self {
        self.command = Some(command.into());
        self
    }

    /// With more to show for it.
    #[must_use]
    pub fn shown_by(mut self, evidence: impl IntoIterator<Item = String>) -> Self {
        self.evidence.extend(evidence);
        self
    }

    /// With a cause that looks the same.
    #[must_use]
    pub fn or_else(mut self, code: Code, told_by: impl Into<String>) -> Self {
        self.or_else.push(Alternative { code, told_by: told_by.into() });
        self
    }
}

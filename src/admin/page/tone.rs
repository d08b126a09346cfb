//! How something stands, as a sign of its own shape beside the words.

use maud::{Markup, html};

/// How something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tone {
    /// As it should be.
    Good,
    /// Not yet, and nobody needs to act.
    Waiting,
    /// Somebody should look; nothing is broken yet.
    Warn,
    /// It is broken.
    Bad,
}

impl Tone {
    /// The style's name for it.
    pub(super) const fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Waiting => "waiting",
            Self::Warn => "warn",
            Self::Bad => "bad",
        }
    }

    /// A tick in a disc, a clock, a triangle, an octagon. Words stand beside it, so it is for the eye alone.
    pub(super) fn sign(self) -> Markup {
        html! {
            svg.sign viewBox="0 0 16 16" aria-hidden="true" {
                @match self {
                    Self::Good => {
                        circle cx="8" cy="8" r="7.2" {}
                        path.stroke d="M4.8 8.3 7 10.5 11.3 5.9" {}
                    }
                    Self::Waiting => {
                        circle cx="8" cy="8" r="7.2" {}
                        path.stroke d="M8 4.4V8l2.4 1.6" {}
                    }
                    Self::Warn => {
                        path d="M8 1.2 15.4 14.4H.6Z" {}
                        path.stroke d="M8 6v4M8 12v.1" {}
                    }
                    Self::Bad => {
                        path d="M5 .8h6L15.2 5v6L11 15.2H5L.8 11V5Z" {}
                        path.stroke d="m5.5 5.5 5 5m0-5-5 5" {}
                    }
                }
            }
        }
    }

    /// The sign with its words.
    pub(super) fn badge(self, words: &str) -> Markup {
        html! { span class={ "badge " (self.class()) } { (self.sign()) " " (words) } }
    }
}

//! Asks registries for many cases at once, each question once.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use tokio::sync::{OnceCell, Semaphore};

use crate::why::answer::{Answer, Platform};
use crate::why::case::Complaint;
use crate::why::catalogue::Code;
use crate::why::keyring::Login;
use crate::why::message;
use crate::why::probe::{self, Question, Transport};
use crate::why::reference::Reference;

/// Questions on their way at the same time, over all registries.
const IN_FLIGHT: usize = 24;

/// An image and a credential, by a hash that tells nothing of it.
type Key = (String, [u8; 32]);

/// The one who asks. It remembers every answer.
#[derive(Debug)]
pub struct Inquiry {
    transport: Option<Transport>,
    answers: Mutex<HashMap<Key, Arc<OnceCell<Arc<Answer>>>>>,
    places: Semaphore,
    asked: AtomicUsize,
}

impl Inquiry {
    /// One that asks over this transport; without one it asks nobody.
    #[must_use]
    pub fn new(transport: Option<Transport>) -> Self {
        let (answers, asked) = (Mutex::default(), AtomicUsize::new(0));
        Self { transport, answers, places: Semaphore::new(IN_FLIGHT), asked }
    }

    /// Whether nobody may be asked.
    #[must_use]
    pub fn is_offline(&self) -> bool {
        self.transport.is_none()
    }

    /// How many questions were asked.
    #[must_use]
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    /// Asks for an image with a credential, or takes the answer that is there.
    pub async fn ask(
        &self,
        image: &Reference,
        login: Option<&Login>,
        platform: Option<&Platform>,
        complaint: Option<&Complaint>,
    ) -> Arc<Answer> {
        let cell = {
            let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(answers.entry((image.to_string(), fingerprint(login))).or_default())
        };
        let asking = async {
            // Nobody closes the semaphore.
            let _place = self.places.acquire().await.ok();
            self.asked.fetch_add(1, Ordering::Relaxed);
            let question = Question {
                image: image.clone(),
                login: login.map(|login| (login.username.clone(), login.password.clone())),
                platform: platform.cloned(),
                is_thorough: is_thorough(image, complaint),
            };
            match &self.transport {
                Some(transport) => Arc::new(probe::ask(transport, &question).await),
                None => Arc::new(Answer::empty()),
            }
        };
        Arc::clone(cell.get_or_init(async || asking.await).await)
    }
}

/// Docker Hub counts what it takes to look into an image, so there it needs a reason.
fn is_thorough(image: &Reference, complaint: Option<&Complaint>) -> bool {
    let inside = [Code::PLATFORM, Code::UNSUPPORTED, Code::BLOB_MISSING];
    let heard = complaint.and_then(|complaint| message::heard(&complaint.message, image));
    !image.is_docker_hubs() || heard.is_some_and(|code| inside.contains(&code))
}

fn fingerprint(login: Option<&Login>) -> [u8; 32] {
    let Some(login) = login else { return [0; 32] };
    let mut hash = Sha256::new();
    hash.update(login.username.len().to_be_bytes());
    hash.update(&login.username);
    hash.update(login.password.expose_secret());
    hash.finalize().into()
}

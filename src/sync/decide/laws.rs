//! What holds of the decision whatever the input.

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("an instant")
}

/// The present, in the midst of all the mints and expiries.
const NOW: i64 = 50;

fn names() -> impl Strategy<Value = RegistryName> {
    prop::sample::select(vec!["a", "b", "c"]).prop_map(RegistryName::new)
}

fn entry(mints: std::ops::Range<i64>) -> impl Strategy<Value = Entry> {
    (mints, prop::option::of(0..100_i64)).prop_map(|(minted, life)| Entry {
        minted_at: at(minted),
        expiry: life.map_or(Expiry::Never, |life| Expiry::At(at(minted + life))),
    })
}

fn wanted() -> impl Strategy<Value = Vec<Wanted>> {
    // Nobody has a credential that is minted in the time to come.
    prop::collection::btree_map(names(), prop::option::of(entry(0..NOW + 1)), 0..4)
        .prop_map(|all| all.into_iter().map(|(registry, entry)| Wanted { registry, entry }).collect())
}

fn observed() -> impl Strategy<Value = Observed> {
    let owner = prop_oneof![Just(Owner::Us), Just(Owner::Other("kubectl".to_owned()))];
    let entries = prop::collection::btree_map(names(), entry(0..NOW + 20), 0..4);
    (owner, any::<bool>(), any::<bool>(), entries, 1..3_u8).prop_map(|(owner, consents, adopted, entries, version)| {
        let entries = entries.into_iter().collect();
        let resource_version = version.to_string();
        Observed { uid: "uid".into(), resource_version, owner, consents, adopted, entries, touched_by: None }
    })
}

#[derive(Clone, Debug)]
struct Case {
    namespace: Namespace,
    wanted: Vec<Wanted>,
    observed: Option<Observed>,
    applied: Option<String>,
}

fn cases() -> impl Strategy<Value = Case> {
    let namespace = prop_oneof![4 => Just(Namespace::Active), 1 => Just(Namespace::Leaving)];
    let applied = prop::option::of((1..3_u8).prop_map(|version| version.to_string()));
    (namespace, wanted(), prop::option::of(observed()), applied)
        .prop_map(|(namespace, wanted, observed, applied)| Case { namespace, wanted, observed, applied })
}

impl Case {
    fn verdict(&self) -> Verdict {
        decide(&Input {
            now: at(NOW),
            namespace: self.namespace,
            wanted: &self.wanted,
            observed: self.observed.as_ref(),
            applied: self.applied.as_deref(),
        })
    }

    /// What is there after the verdict has been carried out.
    fn after(&self, verdict: &Verdict) -> Self {
        let mut after = self.clone();
        match verdict {
            Verdict::Create | Verdict::Replace(_) => {
                let entries = at_hand(&self.wanted).map(|(name, entry)| (name.clone(), entry)).collect();
                let version = "written".to_owned();
                after.applied = Some(version.clone());
                after.observed = Some(Observed {
                    uid: "uid".into(),
                    resource_version: version,
                    owner: Owner::Us,
                    consents: false,
                    adopted: false,
                    entries,
                    touched_by: None,
                });
            }
            Verdict::Delete => after.observed = None,
            Verdict::Keep | Verdict::Leave | Verdict::Refuse(_) | Verdict::Wait(_) => {}
        }
        after
    }

    fn living(&self) -> impl Iterator<Item = &(RegistryName, Entry)> {
        let entries = self.observed.iter().flat_map(|observed| &observed.entries);
        entries.filter(|(_, entry)| !entry.expiry.is_past(at(NOW)))
    }
}

fn writes(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Create | Verdict::Replace(_))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_belongs_to_others_is_never_written_without_consent_and_never_deleted(case in cases()) {
        if let Some(Observed { owner: Owner::Other(_), consents, .. }) = &case.observed {
            let verdict = case.verdict();
            prop_assert_ne!(&verdict, &Verdict::Delete);
            prop_assert!(*consents || !writes(&verdict), "{:?}", verdict);
        }
    }

    #[test]
    fn no_living_entry_of_ours_that_is_still_wanted_is_lost_by_a_write(case in cases()) {
        let is_ours = case.observed.as_ref().is_some_and(|observed| observed.owner == Owner::Us);
        if is_ours && writes(&case.verdict()) {
            for (name, _) in case.living() {
                let wanted = case.wanted.iter().find(|wanted| wanted.registry == *name);
                prop_assert!(wanted.is_none_or(|wanted| wanted.entry.is_some()), "{} is lost", name);
            }
        }
    }

    #[test]
    fn no_living_credential_of_ours_is_replaced_by_an_older_one(case in cases()) {
        let is_ours = case.observed.as_ref().is_some_and(|observed| observed.owner == Owner::Us);
        if is_ours && writes(&case.verdict()) {
            for (name, there) in case.living().filter(|(_, entry)| entry.minted_at <= at(NOW)) {
                let ours = at_hand(&case.wanted).find(|(wanted, _)| *wanted == name);
                prop_assert!(ours.is_none_or(|(_, ours)| ours.minted_at >= there.minted_at), "{} is older", name);
            }
        }
    }

    #[test]
    fn a_newer_credential_is_written_unless_that_would_do_harm(case in cases()) {
        let Some(Observed { owner: Owner::Us, entries, .. }) = &case.observed else { return Ok(()) };
        let is_newer = |(name, ours): (&RegistryName, Entry)| {
            entries.iter().any(|(there, entry)| there == name && entry.minted_at < ours.minted_at)
        };
        if case.namespace == Namespace::Active && at_hand(&case.wanted).any(is_newer) {
            let verdict = case.verdict();
            prop_assert!(matches!(verdict, Verdict::Replace(_) | Verdict::Wait(_)), "{:?}", verdict);
        }
    }

    #[test]
    fn whoever_is_waited_for_is_wanted_and_named(case in cases()) {
        if let Verdict::Wait(names) = case.verdict() {
            prop_assert!(!names.is_empty());
            prop_assert!(names.iter().all(|name| case.wanted.iter().any(|wanted| wanted.registry == *name)));
        }
    }

    #[test]
    fn what_was_done_need_not_be_done_again(case in cases()) {
        let verdict = case.verdict();
        let after = case.after(&verdict);
        let next = after.verdict();
        if writes(&verdict) {
            prop_assert_eq!(next, Verdict::Keep);
        } else if verdict == Verdict::Delete {
            prop_assert_eq!(next, Verdict::Leave);
        } else {
            prop_assert_eq!(next, verdict);
        }
    }

    #[test]
    fn nothing_is_done_in_a_namespace_that_is_going(case in cases()) {
        prop_assert_eq!(Case { namespace: Namespace::Leaving, ..case }.verdict(), Verdict::Leave);
    }
}

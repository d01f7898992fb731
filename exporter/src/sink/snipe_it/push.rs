//! A push: what is there is compared with what shall be, and what differs is written.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use http::Method;
use proto::ids::TenantId;
use serde_json::json;
use tokio::time::Instant;

use super::super::Refusal;
use super::SnipeIt;
use super::api::{Api, Said};
use super::known::Known;
use super::rows::{self, Holder, Licence, natural};

/// A push under way.
pub(super) struct Push<'a> {
    pub api: &'a Api,
    pub settings: &'a SnipeIt,
    pub tenant: TenantId,
    pub known: &'a mut Known,
    pub until: Instant,
}

/// What a change wants.
pub(super) enum Want<'a> {
    Licence(&'a str, Licence),
    NoLicence(&'a str),
    Holder(&'a str, Holder),
    NoHolder(&'a str),
}

/// Somebody of a push with what he shall hold.
struct Sitting {
    /// The change that tells it.
    number: usize,
    /// His key, which his seats' notes hold.
    key: String,
    /// His id there; none of who is gone.
    person: Option<u64>,
    /// Products of which he lacks a seat.
    lacks: BTreeSet<String>,
}

/// What is to be done with a seat: its licence and place, and whose it is to be.
struct Move {
    number: usize,
    sku: String,
    place: usize,
    to: Option<(u64, String)>,
}

/// The id there of each change, or why it is not wanted.
pub(super) type Outcomes = Vec<Result<Option<u64>, String>>;

impl Push<'_> {
    /// Brings what is there to what is wanted.
    pub(super) async fn run(&mut self, wants: &[Want<'_>]) -> Result<Outcomes, Refusal> {
        let mut outcomes: Outcomes = wants.iter().map(|_| Ok(None)).collect();
        let mut touched = BTreeSet::new();
        let mut sittings = Vec::new();
        for (number, want) in wants.iter().enumerate() {
            let key = |key: &str| natural(self.tenant, key);
            match want {
                Want::Licence(sku, licence) => {
                    outcomes[number] = self.licence(sku, licence).await?.map(Some);
                    touched.insert((*sku).to_owned());
                }
                Want::Holder(id, holder) => {
                    let key = key(id);
                    match self.person(&key, holder).await? {
                        Ok(person) => {
                            outcomes[number] = Ok(Some(person));
                            sittings.push(Sitting {
                                number,
                                key,
                                person: Some(person),
                                lacks: holder.skus.clone(),
                            });
                        }
                        Err(why) => outcomes[number] = Err(why),
                    }
                }
                Want::NoHolder(id) => sittings.push(Sitting {
                    number,
                    key: key(id),
                    person: None,
                    lacks: BTreeSet::new(),
                }),
                Want::NoLicence(_) => {}
            }
        }
        self.known.read_seats(self.api, self.until).await?;
        for moved in self.moves(&mut sittings) {
            let said = self.sit(&moved.sku, moved.place, moved.to).await?;
            note(&mut outcomes, moved.number, said.map(drop));
            touched.insert(moved.sku);
        }
        for sku in sittings.iter().flat_map(|s| &s.lacks) {
            touched.insert(sku.clone());
        }
        self.room(&sittings, &mut outcomes).await?;
        for sitting in &sittings {
            self.check_out(sitting, &mut outcomes).await?;
        }
        for (number, want) in wants.iter().enumerate() {
            let said = match want {
                Want::NoLicence(sku) => {
                    touched.remove(*sku);
                    self.remove_licence(sku).await?
                }
                Want::NoHolder(id) => self.remove_person(&natural(self.tenant, id)).await?,
                Want::Licence(..) | Want::Holder(..) => continue,
            };
            if outcomes[number].is_ok() {
                note(&mut outcomes, number, said.map(drop));
            }
        }
        for sku in &touched {
            // A licence that has more seats than units for the moment loses them when they are free.
            let Err(why) = self.fit(sku, 0).await? else {
                continue;
            };
            for (number, want) in wants.iter().enumerate() {
                if matches!(want, Want::Licence(of, _) if of == sku) {
                    note(&mut outcomes, number, Err(why.clone()));
                }
            }
        }
        Ok(outcomes)
    }

    /// Which seats change hands or notes, and what each lacks after that.
    fn moves(&self, sittings: &mut [Sitting]) -> Vec<Move> {
        let mut by_key = HashMap::new();
        let mut by_person = HashMap::<u64, Vec<usize>>::new();
        for (n, sitting) in sittings.iter().enumerate() {
            by_key.insert(sitting.key.clone(), n);
            if let Some(person) = sitting.person {
                by_person.entry(person).or_default().push(n);
            }
        }
        let prefix = natural(self.tenant, "");
        let mut moves = Vec::new();
        for (sku, licence) in &self.known.licences {
            for (place, seat) in licence.seats().iter().enumerate() {
                let Some(holder) = seat.holder else { continue };
                // A seat is his whose key it notes. One that notes nobody's is his who sits there.
                let n = match seat.notes.starts_with(&prefix) {
                    true => by_key.get(&seat.notes).copied(),
                    false => by_person.get(&holder).and_then(|n| n.first().copied()),
                };
                let Some((n, sitting)) = n.and_then(|n| Some((n, sittings.get_mut(n)?))) else {
                    continue;
                };
                let right = sitting.person == Some(holder);
                let wanted = right && sitting.lacks.remove(sku);
                let to = match (wanted, sitting.person) {
                    (true, _) if seat.notes == sitting.key => continue,
                    (true, Some(person)) => Some((person, sitting.key.clone())),
                    _ => None,
                };
                moves.push((n, sku.clone(), place, to));
            }
        }
        let moved = |(n, sku, place, to): (usize, String, usize, _)| Move {
            number: sittings[n].number,
            sku,
            place,
            to,
        };
        moves.into_iter().map(moved).collect()
    }

    /// Lets somebody sit on a seat, or nobody.
    pub(super) async fn sit(
        &mut self,
        sku: &str,
        place: usize,
        to: Option<(u64, String)>,
    ) -> Result<Said, Refusal> {
        let found = self.known.licences.get_mut(sku);
        let found =
            found.and_then(|l| Some((l.id, l.seats.as_mut()?.get_mut(place)?, &mut l.taken)));
        let Some((licence, seat, taken)) = found else {
            return Ok(Err("its licence has no such seat".to_owned()));
        };
        let (holder, notes) = match to {
            Some((person, key)) => (Some(person), key),
            None => (None, String::new()),
        };
        let body = json!({ "assigned_to": holder, "notes": notes });
        let path = [
            "licenses",
            &licence.to_string(),
            "seats",
            &seat.id.to_string(),
        ];
        let said = self
            .api
            .change(Method::PATCH, &path, &body, self.until)
            .await?;
        if said.is_ok() {
            (seat.holder, seat.notes) = (holder, notes);
            if holder.is_none() {
                *taken = place.min(*taken);
            }
        }
        Ok(said)
    }

    /// Makes seats for all who lack one.
    async fn room(&mut self, sittings: &[Sitting], outcomes: &mut Outcomes) -> Result<(), Refusal> {
        let mut more = BTreeMap::<&str, u64>::new();
        for sku in sittings.iter().flat_map(|s| &s.lacks) {
            *more.entry(sku).or_default() += 1;
        }
        for (sku, more) in more {
            let mut said = Ok(0);
            if !self.known.licences.contains_key(sku) {
                // Its position comes later, and brings its name.
                said = self.create_licence(sku, &rows::unnamed(sku)).await?;
            }
            if said.is_ok() {
                said = self.fit(sku, more).await?.map(|_| 0);
            }
            if let Err(why) = said {
                for sitting in sittings.iter().filter(|s| s.lacks.contains(sku)) {
                    note(outcomes, sitting.number, Err(why.clone()));
                }
            }
        }
        Ok(())
    }

    async fn check_out(
        &mut self,
        sitting: &Sitting,
        outcomes: &mut Outcomes,
    ) -> Result<(), Refusal> {
        let Some(person) = sitting.person else {
            return Ok(());
        };
        for sku in &sitting.lacks {
            let free = self.known.licences.get_mut(sku).and_then(|l| l.free());
            let said = match free {
                Some(place) => {
                    self.sit(sku, place, Some((person, sitting.key.clone())))
                        .await?
                }
                None => Err("its licence has no free seat".to_owned()),
            };
            note(outcomes, sitting.number, said.map(drop));
        }
        Ok(())
    }
}

/// Notes what was said of a change; the first refusal counts.
fn note(outcomes: &mut Outcomes, number: usize, said: Result<(), String>) {
    if let (Err(why), Some(outcome @ Ok(_))) = (said, outcomes.get_mut(number)) {
        *outcome = Err(why);
    }
}

pub(super) fn no_id() -> Refusal {
    Refusal::Transient {
        why: "its answer names no id of what it created".to_owned(),
    }
}

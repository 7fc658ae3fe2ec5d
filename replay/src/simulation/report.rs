//! What a simulation found.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use farelog_events::id::{CustomerId, MemberId, PointDefinitionId, ProgramId};
use farelog_events::log::Position;
use farelog_projections::ProjectionError;
use farelog_projections::points::transaction::decimal_as_number;
use farelog_projections::trial::{Candidates, MemberPoints, Points, PointsByDefinition, Trial};
use rust_decimal::Decimal;
use serde::Serialize;

use super::ranking::{Ranked, Ranking};

/// The difference between what stands and what the candidates would have given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SimulationReport {
    /// The last record that was folded.
    pub position: Position,
    /// The first record for which the candidates stand; behind the last one where they stand for none.
    pub stands_from: Position,
    /// The programs, in the order of the candidates.
    pub programs: Vec<ProgramDifference>,
    /// All of it together.
    pub totals: Totals,
    /// The members who would have most more live points, most first.
    pub winners: Vec<MemberDifference>,
    /// The members who would have most less, most first.
    pub losers: Vec<MemberDifference>,
}

/// What differs in a program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProgramDifference {
    /// The program.
    pub program_id: ProgramId,
    /// The candidate's reference.
    pub reference: String,
    /// Whether the log has a program of this id. One that it does not have has no members, and so gives nothing.
    pub is_published: bool,
    /// How many members it has, also those who left.
    pub members: u64,
    /// Every definition of the program as it was published last and of the candidate, and every one that gave points.
    pub definitions: Vec<DefinitionDifference>,
}

/// What differs in a definition; the same one has the same id on both sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DefinitionDifference {
    /// The definition.
    pub point_definition_id: PointDefinitionId,
    /// Its reference, the candidate's where it has the definition; `None` for one that neither the candidate nor the
    /// version published last has.
    pub point_definition_reference: Option<String>,
    /// By the program as it was published.
    pub published: Figures,
    /// With the candidate.
    pub candidate: Figures,
}

/// Points that were given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Figures {
    /// Members who were given any.
    pub members: u64,
    /// Transactions, those that were cancelled too.
    pub transactions: u64,
    /// What they gave. Where one was replaced by another, both count.
    #[serde(serialize_with = "decimal_as_number")]
    pub points_given: Decimal,
    /// What of it was not cancelled, whether pending, counting or expired.
    #[serde(serialize_with = "decimal_as_number")]
    pub points_live: Decimal,
}

/// What differs over all programs. A member here is one of a program: who has joined two is two.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    /// By the programs as they were published.
    pub published: Figures,
    /// With the candidates.
    pub candidates: Figures,
    /// Members who would have more live points.
    pub members_with_more: u64,
    /// Members who would have less.
    pub members_with_less: u64,
    /// Expressions that gave no usable value, by the programs as they were published.
    pub rule_errors_published: u64,
    /// The same, with the candidates.
    pub rule_errors_candidates: u64,
}

/// What differs for a member, in live points.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberDifference {
    /// The program.
    pub program_id: ProgramId,
    /// The member.
    pub member_id: MemberId,
    /// The member's customer.
    pub customer_id: Option<CustomerId>,
    /// By the program as it was published.
    #[serde(serialize_with = "decimal_as_number")]
    pub published: Decimal,
    /// With the candidate.
    #[serde(serialize_with = "decimal_as_number")]
    pub candidate: Decimal,
    /// The second less the first.
    #[serde(serialize_with = "decimal_as_number")]
    pub difference: Decimal,
}

impl Figures {
    /// Adds what one member has.
    fn add(&mut self, points: &Points) {
        self.members += 1;
        self.transactions += points.transactions;
        self.points_given = self.points_given.saturating_add(points.given);
        self.points_live = self.points_live.saturating_add(points.live);
    }
}

/// The figures of one definition on both sides.
#[derive(Debug, Default)]
struct BothSides {
    published: Figures,
    candidate: Figures,
}

/// Sums, while members are gone through.
struct Sums {
    definitions: BTreeMap<(ProgramId, PointDefinitionId), BothSides>,
    totals: Totals,
    winners: Ranking,
    losers: Ranking,
}

/// Reads the report off the two projections.
pub fn of_trial(
    trial: &Trial,
    candidates: &Candidates,
    named_members: usize,
) -> Result<SimulationReport, ProjectionError> {
    let mut sums = Sums {
        definitions: BTreeMap::new(),
        totals: Totals::default(),
        winners: Ranking::new(named_members),
        losers: Ranking::new(named_members),
    };
    trial.member_points(|member| {
        sums.take(&member);
        Ok(())
    })?;
    let (published, with_candidates) = trial.counters()?;
    sums.totals.rule_errors_published = published.rule_errors;
    sums.totals.rule_errors_candidates = with_candidates.rule_errors;
    let programs = candidates
        .programs
        .iter()
        .map(|candidate| {
            let id = candidate.program.id;
            Ok(ProgramDifference {
                program_id: id,
                reference: candidate.program.reference.clone(),
                is_published: trial.programs().current(id).is_some(),
                members: trial.members_of(id)?,
                definitions: definitions(trial, candidates, id, &mut sums.definitions),
            })
        })
        .collect::<Result<_, ProjectionError>>()?;
    Ok(SimulationReport {
        position: trial.position(),
        stands_from: candidates.from,
        programs,
        totals: sums.totals,
        winners: named(trial, sums.winners)?,
        losers: named(trial, sums.losers)?,
    })
}

impl Sums {
    fn take(&mut self, member: &MemberPoints) {
        for (definition, points) in &member.published {
            self.of(member, *definition).published.add(points);
        }
        for (definition, points) in &member.candidates {
            self.of(member, *definition).candidate.add(points);
        }
        let (published, candidates) = (sum(&member.published), sum(&member.candidates));
        if published.transactions > 0 {
            self.totals.published.add(&published);
        }
        if candidates.transactions > 0 {
            self.totals.candidates.add(&candidates);
        }
        let ranked = |difference| Ranked {
            difference,
            member_id: Reverse(member.member_id),
            program_id: member.program_id,
            published: published.live,
            candidates: candidates.live,
        };
        let difference = candidates.live - published.live;
        if difference > Decimal::ZERO {
            self.totals.members_with_more += 1;
            self.winners.take(ranked(difference));
        } else if difference < Decimal::ZERO {
            self.totals.members_with_less += 1;
            self.losers.take(ranked(-difference));
        }
    }

    fn of(&mut self, member: &MemberPoints, definition: PointDefinitionId) -> &mut BothSides {
        self.definitions
            .entry((member.program_id, definition))
            .or_default()
    }
}

fn sum(points: &PointsByDefinition) -> Points {
    let mut sum = Points::default();
    for points in points.values() {
        sum.add(points);
    }
    sum
}

/// The definitions of a program: those that it has or would have, and those that gave points in an older version.
fn definitions(
    trial: &Trial,
    candidates: &Candidates,
    program: ProgramId,
    sums: &mut BTreeMap<(ProgramId, PointDefinitionId), BothSides>,
) -> Vec<DefinitionDifference> {
    let published = trial
        .programs()
        .current(program)
        .map(|published| &published.compiled);
    let candidate = candidates
        .programs
        .iter()
        .find(|candidate| candidate.program.id == program);
    // The candidate's reference stands last, so that it is the one that is shown.
    let references: BTreeMap<PointDefinitionId, &String> = published
        .into_iter()
        .chain(candidate)
        .flat_map(|compiled| &compiled.program.point_definitions)
        .map(|definition| (definition.id, &definition.reference))
        .collect();
    for definition in references.keys() {
        sums.entry((program, *definition)).or_default();
    }
    sums.iter()
        .filter(|((of, _), _)| *of == program)
        .map(|((_, definition), both)| DefinitionDifference {
            point_definition_id: *definition,
            point_definition_reference: references.get(definition).map(|text| (*text).clone()),
            published: both.published,
            candidate: both.candidate,
        })
        .collect()
}

fn named(trial: &Trial, ranking: Ranking) -> Result<Vec<MemberDifference>, ProjectionError> {
    ranking
        .into_members()
        .map(|ranked| {
            let member_id = ranked.member_id.0;
            Ok(MemberDifference {
                program_id: ranked.program_id,
                member_id,
                customer_id: trial.customer_of(ranked.program_id, member_id)?,
                published: ranked.published,
                candidate: ranked.candidates,
                difference: ranked.candidates - ranked.published,
            })
        })
        .collect()
}

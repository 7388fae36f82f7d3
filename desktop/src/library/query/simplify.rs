//! Queries without what says nothing.

use super::{Filter, Query, Term, What};

pub(super) fn query(query: Query) -> Query {
    Query { terms: terms(query.terms), filter: filter(query.filter) }
}

fn terms(given: Vec<Term>) -> Vec<Term> {
    let mut kept = Vec::with_capacity(given.len());
    for Term { what, weight } in given {
        if weight == 0.0 || !weight.is_finite() {
            continue;
        }
        match what {
            What::Words(text) if text.trim().is_empty() => {}
            What::Image(path) if path.as_os_str().is_empty() => {}
            What::Any(alternatives) => any(alternatives, weight, &mut kept),
            what => kept.push(Term { what, weight }),
        }
    }
    kept
}

fn any(alternatives: Vec<Vec<Term>>, weight: f32, kept: &mut Vec<Term>) {
    let mut fine: Vec<Vec<Term>> = Vec::with_capacity(alternatives.len());
    for mut alternative in alternatives.into_iter().map(terms) {
        match alternative.as_mut_slice() {
            [] => {}
            [Term { what: What::Any(deeper), weight: 1.0 }] => fine.append(deeper),
            _ => fine.push(alternative),
        }
    }
    // What is like none of them is unlike each; one alternative is no choice.
    if weight < 0.0 || fine.len() < 2 {
        let weighed = fine.into_iter().flatten().map(|term| Term { weight: term.weight * weight, ..term });
        kept.append(&mut terms(weighed.collect()));
    } else {
        kept.push(Term { what: What::Any(fine), weight });
    }
}

fn filter(given: Filter) -> Filter {
    match given {
        Filter::And(parts) => {
            let mut kept = Vec::with_capacity(parts.len());
            for part in parts.into_iter().map(filter) {
                match part {
                    Filter::All => {}
                    Filter::And(mut deeper) => kept.append(&mut deeper),
                    part => kept.push(part),
                }
            }
            only(kept, Filter::And).unwrap_or(Filter::All)
        }
        Filter::Or(parts) => {
            let mut kept = Vec::with_capacity(parts.len());
            for part in parts.into_iter().map(filter) {
                match part {
                    Filter::All => return Filter::All,
                    Filter::Or(mut deeper) => kept.append(&mut deeper),
                    part => kept.push(part),
                }
            }
            only(kept, Filter::Or).unwrap_or(Filter::All)
        }
        Filter::Not(part) => match filter(*part) {
            Filter::Not(twice) => *twice,
            // What says nothing does not say the contrary either.
            Filter::All => Filter::All,
            part => Filter::Not(Box::new(part)),
        },
        Filter::Date { from: None, to: None } => Filter::All,
        other => other,
    }
}

/// The part itself where there is one alone, `None` where there is none.
fn only(mut parts: Vec<Filter>, join: fn(Vec<Filter>) -> Filter) -> Option<Filter> {
    match parts.len() {
        0 => None,
        1 => parts.pop(),
        _ => Some(join(parts)),
    }
}

//! What the parts of a query ask for.

use std::ops::Range;

use super::error::{QueryError, Result};
use super::{Filter, Term, What};

/// A part of a query and where it stands.
pub(super) struct Node {
    pub place: Range<usize>,
    pub what: Syntax,
}

pub(super) enum Syntax {
    /// A word that makes one text with the others around.
    Plain(String),
    Term(What),
    Filter(Filter),
    /// What stands for itself, between parentheses or behind a plus.
    Group(Box<Node>),
    Weighted(Box<Node>, f32),
    Not(Box<Node>),
    All(Vec<Node>),
    Any(Vec<Node>),
}

impl Node {
    /// The word, where it is one that joins others.
    pub fn plain(self) -> Option<String> {
        match self.what {
            Syntax::Plain(word) => Some(word),
            _ => None,
        }
    }
}

/// What a part of a query asks for.
pub(super) struct Part {
    pub terms: Vec<Term>,
    pub filter: Filter,
}

impl Part {
    fn is_filter(&self) -> bool {
        self.terms.is_empty()
    }

    fn is_terms(&self) -> bool {
        self.filter == Filter::All
    }

    fn weighed(mut self, weight: f32) -> Self {
        self.terms.iter_mut().for_each(|term| term.weight *= weight);
        self
    }
}

/// What a part of the query asks for.
pub(super) fn part(text: &str, node: Node) -> Result<Part> {
    let Node { place, what } = node;
    let terms = |terms| Part { terms, filter: Filter::All };
    match what {
        Syntax::Plain(word) => Ok(terms(vec![Term { what: What::Words(word), weight: 1.0 }])),
        Syntax::Term(what) => Ok(terms(vec![Term { what, weight: 1.0 }])),
        Syntax::Filter(filter) => Ok(Part { terms: Vec::new(), filter }),
        Syntax::Group(node) => part(text, *node),
        Syntax::Weighted(node, weight) => match part(text, *node)? {
            part if part.is_terms() => Ok(part.weighed(weight)),
            _ => error(text, place, "a filter has no weight", "it holds or it does not: take the ^ away"),
        },
        Syntax::Not(node) => match part(text, *node)? {
            part if part.is_terms() => Ok(part.weighed(-1.0)),
            Part { terms, filter } if terms.is_empty() => Ok(Part { terms, filter: Filter::Not(Box::new(filter)) }),
            _ => {
                let advice = "put the words and the filters into parentheses of their own: -(red car) -rating:1";
                error(text, place, "words and filters are excluded in different ways", advice)
            }
        },
        Syntax::All(nodes) => side_by_side(text, nodes),
        Syntax::Any(nodes) => {
            let parts: Vec<Part> = nodes.into_iter().map(|node| part(text, node)).collect::<Result<_>>()?;
            if parts.iter().all(Part::is_filter) {
                let filters = parts.into_iter().map(|part| part.filter).collect();
                return Ok(Part { terms: Vec::new(), filter: Filter::Or(filters) });
            }
            if parts.iter().all(Part::is_terms) {
                let alternatives = parts.into_iter().map(|part| part.terms).collect();
                return Ok(terms(vec![Term { what: What::Any(alternatives), weight: 1.0 }]));
            }
            let advice = "words in quotes are a filter, looked up in captions and names: \"beach\" OR rating:5";
            error(text, place, "OR joins words with words, or filters with filters", advice)
        }
    }
}

/// All of these: words that stand for themselves become one text, where the first of them stands.
fn side_by_side(text: &str, nodes: Vec<Node>) -> Result<Part> {
    let (mut terms, mut filters) = (Vec::new(), Vec::new());
    let mut plain: Option<(usize, String)> = None;
    for node in nodes {
        if let Syntax::Plain(word) = node.what {
            match &mut plain {
                Some((_, words)) => {
                    words.push(' ');
                    words.push_str(&word);
                }
                None => plain = Some((terms.len(), word)),
            }
            continue;
        }
        let Part { terms: mut own, filter } = part(text, node)?;
        terms.append(&mut own);
        filters.push(filter);
    }
    if let Some((place, words)) = plain {
        terms.insert(place, Term { what: What::Words(words), weight: 1.0 });
    }
    // Parts that let everything through would make a filter of what is none.
    filters.retain(|filter| *filter != Filter::All);
    let filter = match filters.len() {
        0 => Filter::All,
        1 => filters.remove(0),
        _ => Filter::And(filters),
    };
    Ok(Part { terms, filter })
}

fn error<T>(text: &str, place: Range<usize>, reason: &str, advice: &str) -> Result<T> {
    Err(QueryError::new(text, place, reason.to_owned(), advice.to_owned()))
}

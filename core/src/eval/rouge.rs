//! ROUGE-L: how long a subsequence two texts share.

/// Weight of recall against precision.
const BETA: f64 = 1.2;

/// ROUGE-L of a tokenised hypothesis, from 0 to 1: best precision and best recall over the references, taken apart.
pub fn rouge_l(hypothesis: &[String], references: &[Vec<String>]) -> f64 {
    let empty = [String::new()];
    // Reference quirk: a text without words is one empty word, so two such texts agree.
    let words = |tokens: &'_ [String]| if tokens.is_empty() { empty.to_vec() } else { tokens.to_vec() };
    let found = words(hypothesis);
    let (mut precision, mut recall) = (0.0f64, 0.0f64);
    for reference in references {
        let expected = words(reference);
        let shared = common_subsequence(&found, &expected) as f64;
        precision = precision.max(shared / found.len() as f64);
        recall = recall.max(shared / expected.len() as f64);
    }
    if precision == 0.0 || recall == 0.0 {
        return 0.0;
    }
    let beta2 = BETA * BETA;
    (1.0 + beta2) * precision * recall / (recall + beta2 * precision)
}

/// Length of the longest common subsequence.
fn common_subsequence(left: &[String], right: &[String]) -> usize {
    // One row of the table: `row[j]` for the words of `left` so far and the first `j` of `right`.
    let mut row = vec![0; right.len() + 1];
    for word in left {
        let mut diagonal = 0;
        for (j, other) in right.iter().enumerate() {
            let above = row[j + 1];
            row[j + 1] = if word == other { diagonal + 1 } else { above.max(row[j]) };
            diagonal = above;
        }
    }
    row[right.len()]
}

//! Caption scores against coco-caption's numbers, and the tokeniser against the one those rest on.
//!
//! `fixtures/eval/ptb_cases.json` holds sentences and what Stanford's tokeniser makes of them (version 3.4.1, with
//! coco-caption's punctuation dropped).

#![allow(clippy::unwrap_used)]

use medley::eval::{
    Bleu, CaptionScores, DocumentFrequency, caption_scores, caption_scores_with, cider, document_frequency, rouge_l,
    tokenize,
};

/// Sums of a few dozen f64 terms: the order of addition is all that may differ.
const TOLERANCE: f64 = 1e-9;

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn close(found: f64, expected: f64) -> bool {
    (found - expected).abs() < TOLERANCE
}

fn assert_scores(found: CaptionScores, bleu: [f64; 4], rouge_l: f64, cider: f64) {
    let pairs = found.bleu.iter().zip(bleu).map(|(found, expected)| (*found, expected));
    for (found, expected) in pairs.chain([(found.rouge_l, rouge_l), (found.cider, cider)]) {
        assert!(close(found, expected), "{found} is not {expected}");
    }
}

/// Three pictures whose scores are known from pycocoevalcap 1.2.
fn golden() -> (Vec<String>, Vec<Vec<String>>) {
    let hypotheses =
        texts(&["a man riding a horse on the beach", "a black cat sitting on a chair", "a dog running on grass"]);
    let references = vec![
        texts(&["a man riding a horse on a beach", "a person rides a brown horse near the ocean"]),
        texts(&["a cat sitting on a chair", "the cat is on the wooden chair"]),
        texts(&["two dogs run in the snow", "dogs playing in snow"]),
    ];
    (hypotheses, references)
}

// ---- tokeniser ----

#[test]
fn tokens_equal_those_of_the_stanford_tokeniser() {
    let file = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/eval/ptb_cases.json")).unwrap();
    let cases: Vec<(String, Vec<String>)> = serde_json::from_str(&file).unwrap();
    assert!(cases.len() > 200);
    for (text, expected) in cases {
        assert_eq!(tokenize(&text), expected, "{text}");
    }
}

#[test]
fn contractions_split_before_the_apostrophe() {
    assert_eq!(
        tokenize("They're sure he can't, won't and cannot."),
        ["they", "'re", "sure", "he", "ca", "n't", "wo", "n't", "and", "can", "not"]
    );
}

#[test]
fn a_curly_apostrophe_contracts_like_a_straight_one() {
    assert_eq!(tokenize("it’s they’re don’t"), tokenize("it's they're don't"));
}

#[test]
fn brackets_get_names_and_stay() {
    assert_eq!(tokenize("a dog (brown) [wet]"), ["a", "dog", "-lrb-", "brown", "-rrb-", "-lsb-", "wet", "-rsb-"]);
}

#[test]
fn punctuation_and_quotes_are_dropped() {
    assert_eq!(
        tokenize("\"Stop\", he says: 'go' – now... or; never!"),
        ["stop", "he", "says", "go", "now", "or", "never"]
    );
}

#[test]
fn abbreviations_keep_their_stop() {
    assert_eq!(
        tokenize("Mr. Hill of St. Louis, U.S. at 5 p.m. etc."),
        ["mr.", "hill", "of", "st.", "louis", "u.s.", "at", "5", "p.m.", "etc."]
    );
}

#[test]
fn the_stop_of_a_sentence_goes_even_without_a_space() {
    assert_eq!(tokenize("A dog runs. A cat sits."), ["a", "dog", "runs", "a", "cat", "sits"]);
    assert_eq!(tokenize("A dog runs ."), tokenize("A dog runs"));
}

#[test]
fn money_and_percent_are_words_beside_their_number() {
    assert_eq!(tokenize("$5.00 is 50% of ½ dozen"), ["$", "5.00", "is", "50", "%", "of", "1/2", "dozen"]);
}

#[test]
fn text_without_words_has_no_tokens() {
    for text in ["", " ", "\n", "...", "\u{200b}", "🐶"] {
        assert!(tokenize(text).is_empty(), "{text:?}");
    }
}

#[test]
fn line_breaks_are_spaces() {
    assert_eq!(tokenize("a dog\nin\r\nsnow"), ["a", "dog", "in", "snow"]);
}

#[test]
fn long_runs_of_anything_end() {
    for part in ["a.", "5-", "<a ", "'", "a@", "www.", "-", "\u{301}", "A&"] {
        tokenize(&part.repeat(1000));
    }
}

// ---- scores ----

#[test]
fn the_golden_set_scores_as_in_coco_caption() {
    let (hypotheses, references) = golden();
    let scores = caption_scores(&hypotheses, &references);
    let bleu = [0.69999999997, 0.60875958740, 0.57010372342, 0.53871583065];
    assert_scores(scores, bleu, 0.60368712702, 2.73148431721);
    assert_eq!(scores.images, 3);
}

#[test]
fn rouge_and_cider_of_each_golden_picture_are_known() {
    let (hypotheses, references) = golden();
    let references: Vec<Vec<Vec<String>>> =
        references.iter().map(|captions| captions.iter().map(|caption| tokenize(caption)).collect()).collect();
    let frequency = DocumentFrequency::from_references(&references);
    let expected = [(0.875, 4.11692361363), (0.93606138107, 4.07752933799), (0.0, 0.0)];
    for ((hypothesis, captions), (rouge, cider_d)) in hypotheses.iter().zip(&references).zip(expected) {
        assert!(close(rouge_l(&tokenize(hypothesis), captions), rouge));
        assert!(close(cider(&tokenize(hypothesis), captions, &frequency), cider_d));
    }
}

#[test]
fn a_caption_that_is_a_reference_scores_one_in_bleu_and_rouge() {
    let (_, references) = golden();
    let copies: Vec<String> = references.iter().map(|captions| captions[1].clone()).collect();
    let scores = caption_scores(&copies, &references);
    assert!(scores.bleu.iter().all(|bleu| (bleu - 1.0).abs() < 1e-6));
    assert!(close(scores.rouge_l, 1.0));
}

#[test]
fn case_and_punctuation_do_not_change_a_score() {
    let (hypotheses, references) = golden();
    let shouted: Vec<String> = hypotheses.iter().map(|caption| format!("{}!", caption.to_uppercase())).collect();
    assert_eq!(caption_scores(&shouted, &references), caption_scores(&hypotheses, &references));
}

#[test]
fn a_short_caption_pays_for_its_brevity() {
    let mut bleu = Bleu::default();
    bleu.add(&tokenize("a dog"), &[tokenize("a dog in the snow")]);
    // Every word is right: what is left is exp(1 - 5 / 2).
    assert!((bleu.score()[0] - (-1.5f64).exp()).abs() < 1e-6);
}

#[test]
fn bleu_takes_the_closest_reference_and_the_shorter_of_two_equally_close() {
    let mut near = Bleu::default();
    near.add(
        &tokenize("a dog runs in snow"),
        &[tokenize("a dog runs now"), tokenize("a dog runs in snow now"), tokenize("dog")],
    );
    // Five words against four: no penalty, as there would be against six.
    assert!((near.score()[0] - 1.0).abs() < 1e-6);
}

#[test]
fn cider_of_a_single_image_is_zero_by_default() {
    let scores = caption_scores(&texts(&["a dog in snow"]), &[texts(&["a dog in snow"])]);
    assert_eq!(scores.cider, 0.0);
}

#[test]
fn a_stored_document_frequency_gives_a_single_image_its_cider() {
    let (_, references) = golden();
    let frequency = document_frequency(&references);
    let stored: DocumentFrequency = serde_json::from_str(&serde_json::to_string(&frequency).unwrap()).unwrap();
    assert_eq!(stored, frequency);
    let one = caption_scores_with(&texts(&["a cat sitting on a chair"]), &references[1..2], &stored);
    assert!(one.cider > 4.0, "{}", one.cider);
}

#[test]
fn the_default_frequency_is_that_of_the_references() {
    let (hypotheses, references) = golden();
    let frequency = document_frequency(&references);
    assert_eq!(caption_scores_with(&hypotheses, &references, &frequency), caption_scores(&hypotheses, &references));
}

#[test]
fn an_empty_caption_scores_nothing() {
    let scores = caption_scores(&texts(&["", "..."]), &[texts(&["a dog"]), texts(&["a cat"])]);
    assert!(scores.bleu.iter().all(|bleu| *bleu < 1e-6));
    assert_eq!((scores.rouge_l, scores.cider), (0.0, 0.0));
}

#[test]
fn no_image_scores_zero_and_not_nan() {
    let scores = caption_scores(&[], &[]);
    assert_eq!((scores.rouge_l, scores.cider, scores.images), (0.0, 0.0, 0));
    assert!(scores.bleu.iter().all(|bleu| bleu.is_finite()));
}

//! Text to ids and back, against the `tokenizers` library behind Hugging Face's `BertTokenizer`.

#![allow(clippy::unwrap_used)]

use medley::Error;
use medley::tokenizer::{Tokenizer, pad, train};
use medley_tests::{device, fixture};
use serde_json::Value;

const CAPTIONS: [&str; 4] =
    ["a red bus in the street", "two dogs in the water", "a dog near a red bus", "the street near the water"];

fn read(name: &str) -> String {
    std::fs::read_to_string(fixture("tokenizer").join(name)).unwrap()
}

fn from_json() -> Tokenizer {
    Tokenizer::from_json(&read("tokenizer.json")).unwrap()
}

fn from_vocab() -> Tokenizer {
    Tokenizer::from_vocab(&read("vocab.txt")).unwrap()
}

fn cases() -> Vec<Value> {
    let cases: Value = serde_json::from_str(&read("cases.json")).unwrap();
    cases["cases"].as_array().unwrap().clone()
}

fn ids(case: &Value) -> Vec<u32> {
    case["ids"].as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect()
}

fn encodes_every_case(tokenizer: &Tokenizer) {
    for case in cases() {
        let text = case["text"].as_str().unwrap();
        let found = tokenizer.encode_between(tokenizer.ids().cls, text, usize::MAX).unwrap();
        assert_eq!(found, ids(&case), "{text:?}");
    }
}

fn decodes_every_case(tokenizer: &Tokenizer) {
    for case in cases() {
        assert_eq!(tokenizer.decode(&ids(&case)).unwrap(), case["decode_skip_special"].as_str().unwrap());
    }
}

#[test]
fn a_tokenizer_json_encodes_as_hugging_face_encodes() {
    encodes_every_case(&from_json());
}

#[test]
fn a_vocabulary_encodes_as_hugging_face_encodes() {
    encodes_every_case(&from_vocab());
}

#[test]
fn a_tokenizer_json_decodes_as_hugging_face_decodes() {
    decodes_every_case(&from_json());
}

#[test]
fn a_vocabulary_decodes_as_hugging_face_decodes() {
    decodes_every_case(&from_vocab());
}

#[test]
fn blips_two_tokens_follow_the_vocabulary_of_bert() {
    for tokenizer in [from_json(), from_vocab()] {
        let ids = tokenizer.ids();
        assert_eq!((ids.pad, ids.cls, ids.sep, ids.decode, ids.encode), (0, 101, 102, 126, 127));
        assert_eq!(tokenizer.vocab_size(), 128);
    }
}

#[test]
fn a_lower_case_caption_survives_encoding_and_decoding() {
    let tokenizer = from_json();
    for caption in ["a picture of the cat", "two cats playing with a red ball"] {
        assert_eq!(tokenizer.decode(&tokenizer.encode(caption).unwrap()).unwrap(), caption);
    }
}

#[test]
fn ids_beyond_the_vocabulary_are_skipped() {
    let tokenizer = from_json();
    let [first, second] = [tokenizer.encode("a picture").unwrap(), tokenizer.encode("of the cat").unwrap()];
    let ids = [first.as_slice(), &[128, 5000, u32::MAX], &second].concat();
    assert_eq!(tokenizer.decode(&ids).unwrap(), "a picture of the cat");
}

#[test]
fn special_tokens_are_not_decoded() {
    let tokenizer = from_vocab();
    let ids = tokenizer.ids();
    let row = [ids.decode, ids.encode, 1, 2, ids.sep, ids.pad];
    assert_eq!(tokenizer.decode(&row).unwrap(), "a picture");
}

#[test]
fn a_text_that_is_too_long_is_cut_before_its_end() {
    let tokenizer = from_json();
    let ids = tokenizer.ids();
    assert_eq!(tokenizer.encode_between(ids.decode, "a picture of", 4).unwrap(), [ids.decode, 1, 2, ids.sep]);
    assert_eq!(tokenizer.encode_between(ids.decode, "a picture of", 5).unwrap(), [ids.decode, 1, 2, 3, ids.sep]);
}

#[test]
fn writing_a_tokenizer_json_and_reading_it_changes_nothing() {
    for tokenizer in [from_json(), from_vocab()] {
        let again = Tokenizer::from_json(&tokenizer.to_json().unwrap()).unwrap();
        assert_eq!(again.ids(), tokenizer.ids());
        encodes_every_case(&again);
        decodes_every_case(&again);
    }
}

#[test]
fn rows_are_padded_on_the_right_to_the_longest() {
    let device = device("cpu");
    let batch = pad(&[vec![1, 2, 3], vec![4]], 9, &device);
    let ids: Vec<i64> = batch.ids.into_data().convert::<i64>().try_to_vec().unwrap();
    assert_eq!(ids, [1, 2, 3, 4, 9, 9]);
    let hidden = batch.hidden.expect("one row is padded").into_data();
    let hidden: Vec<bool> = hidden.iter::<bool>().collect();
    assert_eq!(hidden, [false, false, false, false, true, true]);
}

#[test]
fn rows_of_one_length_need_no_mask() {
    let batch = pad(&[vec![1, 2], vec![3, 4]], 0, &device("cpu"));
    assert_eq!(batch.ids.dims(), [2, 2]);
    assert!(batch.hidden.is_none());
}

#[test]
fn a_vocabulary_learned_from_captions_writes_them() {
    let tokenizer = train(CAPTIONS.into_iter(), 200).unwrap();
    assert!(tokenizer.vocab_size() <= 200);
    for caption in CAPTIONS {
        let ids = tokenizer.encode(caption).unwrap();
        assert_eq!(tokenizer.decode(&ids).unwrap(), caption);
    }
    let again = Tokenizer::from_json(&tokenizer.to_json().unwrap()).unwrap();
    assert_eq!(again.encode(CAPTIONS[0]).unwrap(), tokenizer.encode(CAPTIONS[0]).unwrap());
}

#[test]
fn a_vocabulary_without_berts_tokens_is_an_error() {
    match Tokenizer::from_vocab("a\nb\n[UNK]\n") {
        Err(Error::Tokenizer { reason }) => assert!(reason.contains("[PAD]"), "{reason}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn json_of_another_kind_is_an_error() {
    for json in ["", "{}", "[1, 2]", "not json"] {
        assert!(matches!(Tokenizer::from_json(json), Err(Error::Tokenizer { .. })), "{json:?}");
    }
}

#[test]
fn the_same_captions_teach_the_same_vocabulary() {
    // Every pair of letters is as frequent as the next: only order decides which are joined.
    let captions = ["abcd bcda cdab dabc", "efgh fghe ghef hefg", "abcd bcda cdab dabc", "efgh fghe ghef hefg"];
    let learn = || train(captions.into_iter(), 40).unwrap().to_json().unwrap();
    let first = learn();
    assert!((0..8).all(|_| learn() == first));
}

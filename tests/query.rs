//! What a search is written as.

#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use medley_desktop::library::photo::Kind;
use medley_desktop::library::query::{
    Compare, Completion, Filter, Period, Query, QueryError, Recent, Term, What, complete,
};
use proptest::prelude::*;

fn read(text: &str) -> Query {
    text.parse().unwrap_or_else(|error: QueryError| panic!("{}", error.pointed()))
}

fn error(text: &str) -> QueryError {
    text.parse::<Query>().expect_err(text)
}

fn words(text: &str, weight: f32) -> Term {
    Term { what: What::Words(text.to_owned()), weight }
}

fn period(year: u16, month: Option<u8>, day: Option<u8>) -> Option<Period> {
    Some(Period::new(year, month, day).unwrap())
}

/// Values that are easy to get wrong, between those that are not.
fn text() -> impl Strategy<Value = String> {
    let odd = prop::sample::select(vec![
        "OR",
        "NOT",
        "AND",
        "-",
        "+dog",
        "-dog",
        "a OR b",
        "(x)",
        "\"",
        "\\",
        "a\\\"b",
        "date:2024",
        "x^2",
        "^",
        "^^",
        "12:30",
        "hs:",
        "http://a.b",
        "camra:x",
        "./x.jpg",
        "~/a b.jpg",
        "C:\\x",
        "é:ü",
        "a\tb",
        " a ",
        "a  b",
        "image:x",
        "..",
        ">=3",
        "*",
        "日本 語",
    ]);
    prop_oneof![odd.prop_map(str::to_owned), "[a-z]{1,8}( [a-z]{1,8}){0,3}", "\\PC{1,12}"]
        .prop_filter("blank", |text| !text.trim().is_empty())
}

fn compare<T: Clone + PartialOrd + std::fmt::Debug + 'static>(
    number: impl Strategy<Value = T> + Clone + 'static,
) -> impl Strategy<Value = Compare<T>> {
    let two = (number.clone(), number.clone());
    prop_oneof![
        number.clone().prop_map(Compare::Below),
        number.clone().prop_map(Compare::AtMost),
        number.clone().prop_map(Compare::Exactly),
        number.clone().prop_map(Compare::AtLeast),
        number.prop_map(Compare::Above),
        two.prop_map(|(one, other)| match one <= other {
            true => Compare::Between(one, other),
            false => Compare::Between(other, one),
        }),
    ]
}

fn date() -> impl Strategy<Value = Option<Period>> {
    let numbers = (1..=9999_u16, prop::option::of(1..=12_u8), prop::option::of(1..=28_u8));
    prop::option::of(
        numbers.prop_filter_map("no day without a month", |(year, month, day)| Period::new(year, month, day)),
    )
}

fn filter() -> impl Strategy<Value = Filter> {
    let leaf = prop_oneof![
        text().prop_map(Filter::Exact),
        text().prop_map(Filter::Folder),
        text().prop_map(Filter::Name),
        text().prop_map(Filter::Camera),
        text().prop_map(Filter::Lens),
        prop::sample::select(Recent::ALL.to_vec()).prop_map(Filter::Recent),
        prop::sample::select(vec![Kind::Photo, Kind::Video]).prop_map(Filter::Type),
        (date(), date()).prop_filter_map("a range that ends before it begins", |(from, to)| match (from, to) {
            (Some(from), Some(to)) if from.first() >= to.end() => None,
            (from, to) => Some(Filter::Date { from, to }),
        }),
        compare(0..=5_u8).prop_map(Filter::Rating),
        compare(prop_oneof![0..100_u64, 0..1_000_000_000_000_000_u64]).prop_map(Filter::Pixels),
        compare(prop_oneof![0..100_u64, 0..1_000_000_000_000_000_u64]).prop_map(Filter::Bytes),
        Just(Filter::HasCaption),
        Just(Filter::HasPlace),
        Just(Filter::HasRating),
    ];
    leaf.prop_recursive(4, 24, 4, |part| {
        prop_oneof![
            prop::collection::vec(part.clone(), 1..4).prop_map(Filter::And),
            prop::collection::vec(part.clone(), 1..4).prop_map(Filter::Or),
            part.prop_map(|part| Filter::Not(Box::new(part))),
        ]
    })
}

fn terms() -> impl Strategy<Value = Vec<Term>> {
    let weight = || prop_oneof![Just(1.0_f32), Just(-1.0), 0.01..1000.0_f32, -1000.0..-0.01_f32];
    let what = prop_oneof![text().prop_map(What::Words), text().prop_map(|path| What::Image(PathBuf::from(path)))];
    let leaf = (what, weight()).prop_map(|(what, weight)| Term { what, weight });
    let term = leaf.prop_recursive(3, 16, 3, |term| {
        let alternatives = prop::collection::vec(prop::collection::vec(term, 1..3), 2..4);
        // Weights within are multiplied only where a choice is none.
        alternatives.prop_map(|alternatives| Term { what: What::Any(alternatives), weight: 1.0 })
    });
    prop::collection::vec(term, 0..4)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_printed_query_is_read_as_what_it_was(terms in terms(), filter in prop_oneof![Just(Filter::All), filter()]) {
        let query = Query { terms, filter }.simplified();
        let printed = query.to_string();
        let again = printed.parse::<Query>().map_err(|error| TestCaseError::fail(error.pointed()))?;
        prop_assert_eq!(&again, &query, "{}", printed);
        prop_assert_eq!(again.to_string(), printed);
    }

    #[test]
    fn no_text_breaks_the_reader(text in "\\PC{0,60}", cursor in 0..80_usize) {
        let _ = text.parse::<Query>().map_err(|error| (error.to_string(), error.pointed()));
        let _ = complete(&text, cursor);
    }

    #[test]
    fn no_heap_of_pieces_breaks_the_reader_and_what_it_reads_it_prints(pieces in prop::collection::vec(
        prop::sample::select(vec![
            "(", ")", "\"", "\\", "-", "+", "^", "^2", "^0", " ", "OR", "NOT", "AND", "dog", "red car", "date:", "2024",
            "..", "rating:", ">=", "3", "size:", "2mp", "image:", "./x", ":", "é", "camra:", "has:caption", "\n",
        ]),
        0..14,
    ), cursor in 0..40_usize) {
        let text = pieces.concat();
        match text.parse::<Query>() {
            Ok(query) => {
                let again = query.to_string().parse::<Query>();
                prop_assert_eq!(again.as_ref(), Ok(&query), "{} printed as {}", text, query);
            }
            Err(error) => {
                prop_assert!(text.get(error.place()).is_some());
                prop_assert!(!error.pointed().is_empty() && !error.to_string().contains("  "));
            }
        }
        for Completion { replace, with, .. } in complete(&text, cursor) {
            let mut completed = text.clone();
            completed.replace_range(replace, &with);
            prop_assert!(completed.contains(&with));
        }
    }

    #[test]
    fn a_chip_taken_away_leaves_the_other_chips(terms in terms(), filter in filter()) {
        let query = Query { terms, filter }.simplified();
        let chips = query.chips();
        for (place, chip) in chips.iter().enumerate() {
            let mut others: Vec<&str> = chips.iter().map(|chip| chip.text.as_str()).collect();
            others.remove(place);
            let left = chip.without.chips();
            prop_assert_eq!(&chip.without.terms, &query.terms);
            // What was one part of many may be many parts where it is alone.
            if left.len() == others.len() {
                prop_assert_eq!(left.iter().map(|chip| chip.text.as_str()).collect::<Vec<_>>(), others);
            }
        }
    }
}

#[test]
fn words_are_one_text_wherever_they_stand() {
    let query = read("dog rating:5 jumping +snow into -grass a lake");
    assert_eq!(query.terms, [words("dog jumping into a lake", 1.0), words("snow", 1.0), words("grass", -1.0)]);
    assert_eq!(query.to_string(), "dog jumping into a lake +snow -grass rating:5");
}

#[test]
fn weights_signs_and_pictures_are_terms() {
    let query = read("beach^2 -(red car)^0.5 ./x.jpg image:\"~/a b.jpg\" NOT snow");
    let image = |path: &str| Term { what: What::Image(path.into()), weight: 1.0 };
    let expected =
        [words("beach", 2.0), words("red car", -0.5), image("./x.jpg"), image("~/a b.jpg"), words("snow", -1.0)];
    assert_eq!(query.terms, expected);
}

#[test]
fn filters_are_put_together() {
    let date = Filter::Date { from: period(2024, Some(6), None), to: period(2024, Some(8), None) };
    let either = Filter::Or(vec![Filter::Exact("new york".into()), Filter::Not(Box::new(Filter::Type(Kind::Video)))]);
    let query = read("date:2024-06..2024-08 (\"new york\" OR NOT type:video) size:>2mp");
    assert_eq!(query.filter, Filter::And(vec![date, either, Filter::Pixels(Compare::Above(2_000_000))]));
    assert!(query.terms.is_empty());
}

#[test]
fn words_with_a_colon_are_words() {
    for text in ["12:30", "http://example.org/a", "https://a.b", "re:zero", "3:2 crop", "dog: a friend", "::", "dog:"] {
        assert_eq!(read(text).terms, [words(text, 1.0)], "{text}");
    }
    let weighed = Query { terms: vec![words("dog:", 2.0)], filter: Filter::All };
    assert_eq!(read(&weighed.to_string()), weighed);
}

#[test]
fn dates_are_read_as_people_write_them() {
    let date = |text: &str| read(text).filter;
    let only = |period| Filter::Date { from: period, to: period };
    assert_eq!(date("date:2024"), only(period(2024, None, None)));
    assert_eq!(date("DATE:2024-6"), only(period(2024, Some(6), None)));
    assert_eq!(date("date:2024/06/30"), only(period(2024, Some(6), Some(30))));
    assert_eq!(date("date:..2023-01-15"), Filter::Date { from: None, to: period(2023, Some(1), Some(15)) });
    assert_eq!(date("date:>2024-02-28"), Filter::Date { from: period(2024, Some(2), Some(29)), to: None });
    assert_eq!(date("date:<2024"), Filter::Date { from: None, to: period(2023, None, None) });
    assert_eq!(date("date:last-week"), Filter::Recent(Recent::LastWeek));
    for wrong in ["2024-13", "2023-02-29", "june", "24", "2024-06..2024-05", "..", "2024-06-30-1", "<0001"] {
        error(&format!("date:{wrong}"));
    }
}

#[test]
fn errors_point_at_the_place_and_say_what_is_right() {
    let camera = error("dog camra:canon");
    assert_eq!(
        camera.pointed(),
        "there is no filter camra:\n  dog camra:canon\n      ^^^^^^\ndid you mean camera:? (words:\"camra:…\" is a text)"
    );
    let ratings = error("über rating:9");
    assert_eq!(ratings.pointed().lines().nth(2).unwrap(), "              ^");
    assert!(ratings.to_string().contains("at character 13"), "{ratings}");
    for (text, marked, advice) in [
        ("path:italy", "path:", "folder:italy"),
        ("stars:3", "stars:", "rating:>=3"),
        ("foldr:x", "foldr:", "folder:?"),
        ("size:5", "5", "size:>2mp"),
        ("a (b", "(", ")"),
        ("a) b", ")", "("),
        ("type:", "type:", "type:video"),
        ("type:film OR dog", "type:film OR dog", "\"beach\" OR rating:5"),
        ("x \"open", "\"open", "end it with \""),
        ("rating:5^2", "5^2", "rating:5"),
        ("\"a\"^2", "\"a\"^2", "take the ^ away"),
        ("dog^0", "^0", "beach^2"),
    ] {
        let error = error(text);
        assert_eq!(&text[error.place()], marked, "{text}");
        assert!(error.advice().contains(advice), "{text}: {error}");
    }
}

#[test]
fn nesting_without_end_is_refused() {
    error(&"(".repeat(100_000));
    error(&"-(".repeat(100_000));
    assert_eq!(read(&format!("{}dog", "NOT ".repeat(99_999))).terms, [words("dog", -1.0)]);
}

#[test]
fn keys_and_their_values_are_completed() {
    let with = |text: &str, cursor: usize| -> Vec<String> {
        let put = |Completion { replace, with, .. }| {
            let mut text = text.to_owned();
            text.replace_range(replace, &with);
            text
        };
        complete(text, cursor).into_iter().map(put).collect()
    };
    assert_eq!(with("dog ca", 6), ["dog camera:"]);
    assert_eq!(with("(-Ca x", 4), ["(-camera: x"]);
    assert_eq!(with("type:v", 6), ["type:video"]);
    assert_eq!(with("has:", 4), ["has:caption", "has:place", "has:rating"]);
    assert_eq!(with("date:last", 9), ["date:last-week", "date:last-month", "date:last-year"]);
    assert!(with("\"new ca", 7).is_empty(), "in quotes everything is text");
    assert!(with("dog ", 4).is_empty());
    assert!(with("camera:x", 3).is_empty(), "it is there already");
    assert!(with("type:video", 10).is_empty());
}

#[test]
fn what_says_nothing_is_left_out() {
    let query = Query { terms: vec![words(" ", 1.0), words("dog", 0.0)], filter: Filter::And(vec![Filter::All]) };
    assert!(query.simplified().is_all());
    assert!(read("  ").is_all());
    assert_eq!(read("((dog))").terms, [words("dog", 1.0)]);
    assert_eq!(read("-(dog OR cat)").to_string(), "-dog -cat");
}

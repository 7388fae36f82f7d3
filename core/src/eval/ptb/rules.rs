//! The rules of the tokeniser, in the order that decides between matches of equal length.

use super::pattern::Pattern::{One, Outside, Set, Word};
use super::pattern::{Pattern, any, chain, either, exact, maybe, some, text, times};
use super::words::*;

/// What becomes of a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Emit {
    /// It is a token.
    Token,
    /// It is a token as it stands, in lower case.
    Tag,
    /// It is a token spelled with the quotation marks of a typewriter.
    Quotes,
    /// It is a token once its soft hyphens are gone.
    Word,
    /// It is a token once its apostrophe is the straight one.
    Contraction,
    /// It stands for this token.
    As(&'static str),
    /// It is punctuation that the scores do not see, or no text at all.
    Nothing,
}

/// A pattern, what must follow it, and what it becomes.
pub(super) struct Rule {
    pub(super) pattern: Pattern,
    /// Counts towards the length by which rules compete, and is not consumed.
    pub(super) followed_by: Option<Pattern>,
    pub(super) emit: Emit,
}

/// All rules. The one with the longest match wins, the first of them where several are equal.
pub(super) fn rules() -> Vec<Rule> {
    [markup(), words(), addresses(), numbers(), abbreviations(), compounds(), signs()].into_iter().flatten().collect()
}

fn rule(emit: Emit, pattern: Pattern) -> Rule {
    Rule { pattern, followed_by: None, emit }
}

fn before(emit: Emit, pattern: Pattern, followed_by: Pattern) -> Rule {
    Rule { pattern, followed_by: Some(followed_by), emit }
}

fn apostrophe() -> Pattern {
    either![Set("'\u{92}’"), text("&apos;")]
}

/// An apostrophe, or a quotation mark that someone took for one.
fn apostrophe_or_quote() -> Pattern {
    either![apostrophe(), Set("`\u{91}‘‛")]
}

/// `&eacute;` and its kin count as letters.
fn letter() -> Pattern {
    let entity =
        chain![exact("&"), Set("aeiouAEIOU"), either![exact("acute"), exact("grave"), exact("uml")], exact(";")];
    either![One(is_written), entity]
}

fn word() -> Pattern {
    let run = || chain![letter(), any(either![letter(), One(is_digit)])];
    chain![run(), any(chain![Set(".!?"), run()])]
}

/// `'s`, `'m`, `'d`, `'re`, `'ve`, `'ll`.
fn auxiliary() -> Pattern {
    chain![apostrophe(), either![Set("msdMSD"), Word(&["re", "ve", "ll"])]]
}

/// A tag or a comment of HTML.
fn tag() -> Pattern {
    let name =
        || chain![One(|c| c.is_ascii_alphabetic()), any(One(|c| c.is_ascii_alphanumeric() || "_:.-".contains(c)))];
    let quoted = either![
        chain![exact("'"), any(Outside("'\r\n")), exact("'")],
        chain![exact("\""), any(Outside("\"\r\n")), exact("\"")],
    ];
    let spaces = || any(exact(" "));
    let attribute = chain![some(exact(" ")), name(), maybe(chain![spaces(), exact("="), spaces(), quoted])];
    let opening = chain![name(), any(attribute), spaces(), maybe(exact("/"))];
    let closing = chain![exact("/"), name()];
    let comment = chain![Set("!?"), One(|c| c.is_ascii_alphabetic() || c == '-'), any(Outside(">\r\n"))];
    chain![exact("<"), either![comment, opening, closing], spaces(), exact(">")]
}

fn markup() -> Vec<Rule> {
    let dash = either![chain![exact("&"), Word(&["md", "mdash", "ndash"]), exact(";")], Set("\u{96}\u{97}–—―")];
    let entity = either![
        Word(&["ht", "tl", "ur", "lr", "qc", "ql", "qr", "odq", "cdq"]),
        chain![exact("#"), some(One(|c| c.is_ascii_digit()))],
    ];
    vec![
        rule(Emit::Tag, tag()),
        rule(Emit::Nothing, dash),
        rule(Emit::As("&"), text("&amp;")),
        rule(Emit::Token, chain![exact("&"), entity, exact(";")]),
    ]
}

fn words() -> Vec<Rule> {
    let mut rules: Vec<Rule> = ASSIMILATIONS
        .iter()
        .map(|(whole, first)| before(Emit::Word, text(first), text(&whole[first.len()..])))
        .collect();
    let before_not = chain![
        any(One(|c| c.is_ascii_alphabetic() || c == '\u{ad}')),
        One(|c| c.is_ascii_alphabetic() && !"nN".contains(c)),
        any(exact("\u{ad}")),
    ];
    let not = || chain![Set("nN"), apostrophe_or_quote(), Set("tT")];
    let some_letters = || some(One(is_letter));
    let vowel_word = chain![
        some_letters(),
        Set("aeiouyAEIOUY"),
        apostrophe_or_quote(),
        Set("aeiouABCDEFGHIJKLMNOPQRSTUVWXYZ"),
        any(One(is_letter)),
    ];
    let name = chain![
        One(|c| c == 'n' || (c.is_ascii_uppercase() && c != 'I' && c != 'Y')),
        apostrophe_or_quote(),
        times(One(is_letter), 2, usize::MAX),
    ];
    let elided = either![
        chain![apostrophe(), Set("nN"), maybe(apostrophe())],
        chain![Set("lLdDjJ"), apostrophe()],
        chain![Word(&["dunkin", "somethin", "ol"]), apostrophe()],
        chain![apostrophe(), Word(&["em", "til", "till", "cause"])],
        chain![apostrophe(), Set("23456789"), text("0s")],
        chain![text("c"), apostrophe(), Word(&["mon", "est"])],
        chain![text("e"), apostrophe(), text("er")],
        chain![text("o"), apostrophe(), text("o")],
        chain![text("s"), apostrophe(), text("mores")],
        chain![text("nor"), apostrophe(), text("easter")],
        chain![text("nat"), apostrophe(), text("l")],
        chain![text("cap"), apostrophe(), text("n")],
        chain![text("ev"), apostrophe(), text("ry")],
        chain![text("li"), apostrophe(), text("l")],
        vowel_word,
        name,
    ];
    rules.extend([
        before(Emit::Word, word(), auxiliary()),
        before(Emit::Word, before_not, not()),
        rule(Emit::Token, elided),
        before(Emit::Token, chain![apostrophe(), times(One(is_digit), 2, 2)], One(is_space)),
        before(Emit::Token, chain![Set("yY"), apostrophe()], One(is_letter)),
        rule(Emit::Word, word()),
        before(Emit::Contraction, auxiliary(), One(|c| !c.is_ascii_alphabetic())),
        rule(Emit::Contraction, not()),
    ]);
    rules
}

fn addresses() -> Vec<Rule> {
    const END: &str = " \t\n\u{c}\r\"<>|.!?(){},-";
    let full =
        chain![text("http"), maybe(text("s")), exact("://"), some(Outside(" \t\n\u{c}\r\"<>|(){}")), Outside(END)];
    let with_www = chain![
        text("www."),
        some(chain![some(Outside(" \t\n\u{c}\r\"<>|.!?(){},")), exact(".")]),
        times(One(|c| c.is_ascii_alphabetic()), 2, 4),
    ];
    let bare = chain![
        // Reference quirk: from the comma to the underscore is a range, digits and capitals within.
        some(chain![some(One(|c| !matches!(c, ','..='_') && !" \t\n\u{c}\r\"`'|!(){}$".contains(c))), exact(".")]),
        Word(&["com", "net", "org", "edu"]),
    ];
    let path = chain![exact("/"), some(Outside(" \t\n\u{c}\r\"<>|()")), Outside(END)];
    const HOST: &str = " \t\n\u{c}\r\"<>|(){}.\u{a0}";
    let mail = chain![
        maybe(either![exact("<"), text("&lt;")]),
        One(|c| c.is_ascii_alphanumeric()),
        any(Outside(" \t\n\u{c}\r\"<>|(){}\u{a0}")),
        exact("@"),
        any(chain![some(Outside(HOST)), exact(".")]),
        some(Outside(HOST)),
        maybe(either![exact(">"), text("&gt;")]),
    ];
    let handle = chain![
        exact("@"),
        One(|c| c.is_ascii_alphabetic() || c == '_'),
        any(One(|c| c.is_ascii_alphanumeric() || c == '_')),
    ];
    vec![
        rule(Emit::Tag, full),
        rule(Emit::Tag, chain![either![with_www, bare], maybe(path)]),
        rule(Emit::Tag, mail),
        rule(Emit::Token, either![handle, chain![exact("#"), some(letter())]]),
    ]
}

fn number() -> Pattern {
    let digits = || some(One(is_digit));
    let grouped = some(chain![Set(".:,\u{ad}\u{66b}\u{66c}"), digits()]);
    chain![maybe(Set("+-")), either![digits(), chain![maybe(digits()), grouped]]]
}

fn numbers() -> Vec<Rule> {
    let digit = || One(is_digit);
    let ascii = |least, most| times(One(|c| c.is_ascii_digit()), least, most);
    let date = chain![times(digit(), 1, 2), Set("-/"), times(digit(), 1, 2), Set("-/"), times(digit(), 2, 4)];
    let fraction = chain![
        maybe(chain![times(digit(), 1, 4), Set("- \u{a0}")]),
        times(digit(), 1, 4),
        either![exact("/"), exact("\\/"), exact("⁄")],
        times(digit(), 1, 4),
    ];
    let raised = chain![
        maybe(Set("\u{207a}\u{207b}\u{208a}\u{208b}")),
        either![some(One(|c| "²³¹⁰⁴⁵⁶⁷⁸⁹".contains(c))), some(One(|c| ('₀'..='₉').contains(&c)))],
    ];
    let gap = || Set("- \u{a0}");
    let plus = || maybe(chain![exact("+"), maybe(exact("+"))]);
    let phone = either![
        chain![
            either![
                chain![exact("("), ascii(2, 3), exact(")"), maybe(Set(" \u{a0}"))],
                chain![plus(), maybe(chain![ascii(2, 4), gap()]), ascii(2, 4), gap()],
            ],
            ascii(3, 4),
            maybe(gap()),
            ascii(3, 5),
        ],
        chain![
            maybe(chain![plus(), ascii(2, 4), exact(".")]),
            ascii(2, 4),
            exact("."),
            ascii(3, 4),
            exact("."),
            ascii(3, 5)
        ],
    ];
    let mut rules = vec![
        rule(Emit::Token, date),
        rule(Emit::Word, number()),
        rule(Emit::Token, raised),
        rule(Emit::Token, fraction),
        rule(Emit::Token, phone),
    ];
    for (sign, token) in [("½", "1/2"), ("¼", "1/4"), ("¾", "3/4"), ("⅓", "1/3"), ("⅔", "2/3")] {
        rules.push(rule(Emit::As(token), exact(sign)));
    }
    for (sign, token) in [("\u{80}", "$"), ("¤", "$"), ("\u{20a0}", "$"), ("€", "$"), ("¢", "cents"), ("£", "#")] {
        rules.push(rule(Emit::As(token), exact(sign)));
    }
    rules.push(rule(Emit::Token, chain![any(One(|c| c.is_ascii_uppercase())), exact("$")]));
    rules
}

fn abbreviations() -> Vec<Rule> {
    let stop = || exact(".");
    let initials = || chain![One(|c| c.is_ascii_alphabetic()), any(chain![stop(), One(|c| c.is_ascii_alphabetic())])];
    let capital = || Pattern::Either(CAPITAL_ABBREVIATIONS.iter().map(|word| capitalised(word)).collect());
    let ending = || chain![either![Word(ENDING_ABBREVIATIONS), capital()], stop()];
    // `plan B. It was`: the letter ends a sentence, and the stop is the sentence's.
    let opener = Pattern::Either(SENTENCE_OPENERS.iter().map(|word| capitalised(word)).collect());
    let two = chain![One(|_| true), One(|_| true)];
    let number = chain![maybe(Set(" \t\u{a0}")), One(is_digit)];
    vec![
        before(Emit::Token, ending(), two),
        rule(Emit::Token, ending()),
        rule(Emit::Token, chain![Word(TITLE_ABBREVIATIONS), stop()]),
        rule(Emit::Token, chain![initials(), stop()]),
        before(
            Emit::Token,
            One(|c| c.is_ascii_alphabetic()),
            chain![stop(), some(One(is_space)), either![opener, tag()], One(is_space)],
        ),
        before(Emit::Token, chain![Word(NUMBER_ABBREVIATIONS), stop()], number),
    ]
}

/// The first letter as it stands, the others in capitals or not.
fn capitalised(word: &'static str) -> Pattern {
    let (first, rest) = word.split_at(1);
    chain![exact(first), text(rest)]
}

/// Letters and digits joined by hyphens, with `o'` or `d'` where a part begins so: `five-o'clock`.
fn hyphenated() -> Pattern {
    let plain = || some(One(is_plain));
    let part = || chain![maybe(chain![Set("dDoOlL"), apostrophe_or_quote(), One(is_plain)]), plain()];
    chain![part(), any(chain![Set("-_\u{58a}\u{2010}\u{2011}"), part()])]
}

/// The same for numbers and initials: `5,5-b`, `u.s.-led`, `non-u.s.`.
fn joined() -> Pattern {
    let letter = || One(|c| c.is_ascii_alphabetic());
    let initials = chain![letter(), some(chain![exact("."), letter()]), exact(".")];
    let part = some(One(|c| c.is_ascii_alphanumeric() || c == '\u{ad}'));
    chain![
        One(|c| c.is_ascii_alphanumeric()),
        any(One(|c| c.is_ascii_alphanumeric() || ".,\u{ad}".contains(c))),
        some(chain![exact("-"), either![part, initials]]),
    ]
}

fn compounds() -> Vec<Rule> {
    let plain = || some(One(is_plain));
    let file = chain![plain(), any(chain![exact("."), plain()]), exact("."), Word(FILE_ENDINGS)];
    let capitals = || some(One(|c| c.is_ascii_uppercase()));
    let company = chain![capitals(), some(chain![either![Set("+&"), text("&amp;")], capitals()])];
    let letters = || some(One(|c| c.is_ascii_alphabetic()));
    let part = || chain![some(One(|c| c.is_ascii_alphanumeric())), times(chain![exact("-"), letters()], 0, 2)];
    let slashed = chain![part(), times(chain![maybe(exact("\\")), exact("/"), part()], 1, 2)];
    vec![
        rule(Emit::Word, hyphenated()),
        before(Emit::Token, file, One(|c| is_space(c) || ".,?!".contains(c))),
        rule(Emit::Token, company),
        rule(Emit::Token, slashed),
        rule(Emit::Word, joined()),
        rule(Emit::Token, either![text("c++"), text("c#"), text("f#")]),
    ]
}

fn signs() -> Vec<Rule> {
    let smiley = chain![maybe(Set("<>")), Set(":;="), maybe(Set("-o*'")), Set("()DPdpO\\{@|[]")];
    const FACE: &str = "-^x=~<>'";
    let face = either![
        chain![Set(FACE), exact("_"), Set(FACE)],
        chain![exact("("), Set(FACE), maybe(Set("_.")), Set(FACE), exact(")")],
        chain![exact("("), Set("^x=~<>'"), exact("-"), Set("^x=~<>'`"), exact(")")],
    ];
    let quote_before_word = chain![One(|c| c.is_ascii_alphabetic()), One(|c| !is_space(c))];
    let dots =
        either![chain![exact(".."), some(exact("."))], chain![exact(". "), exact(". "), exact("."), any(exact(" ."))]];
    vec![
        before(Emit::Token, smiley, One(|c| !c.is_ascii_alphanumeric())),
        rule(Emit::Token, face),
        rule(Emit::Nothing, either![dots, exact("…")]),
        before(Emit::Nothing, exact("'"), quote_before_word),
        rule(Emit::Contraction, auxiliary()),
        rule(Emit::Quotes, times(Set("`\u{91}\u{92}\u{93}\u{94}‘’‛‹›“”«»‚„‟"), 1, 2)),
        rule(Emit::Nothing, either![Set("'\""), exact("''"), text("&apos;"), text("&quot;")]),
        rule(Emit::Nothing, Set(".,:;!?")),
        before(Emit::Word, chain![either![word(), hyphenated(), joined()], exact(".")], Set(",;:")),
        rule(Emit::Token, times(Set("!?"), 2, usize::MAX)),
        rule(Emit::Token, times(exact("-"), 5, usize::MAX)),
        rule(Emit::Nothing, times(exact("-"), 1, 4)),
        rule(Emit::As("-lrb-"), exact("(")),
        rule(Emit::As("-rrb-"), exact(")")),
        rule(Emit::As("-lsb-"), exact("[")),
        rule(Emit::As("-rsb-"), exact("]")),
        rule(Emit::As("-lcb-"), exact("{")),
        rule(Emit::As("-rcb-"), exact("}")),
        rule(Emit::As("<"), text("&lt;")),
        rule(Emit::As(">"), text("&gt;")),
        rule(Emit::Nothing, text("&nbsp;")),
        rule(
            Emit::Token,
            either![
                exact(">>"),
                exact("<<"),
                some(exact("*")),
                some(exact("\\*")),
                some(exact("_")),
                some(exact("#")),
                some(exact("@"))
            ],
        ),
        rule(Emit::Token, One(is_sign)),
        rule(Emit::Token, some(One(is_mark))),
    ]
}

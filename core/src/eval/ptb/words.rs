//! Characters and words the tokeniser treats in a way of their own.

/// What separates tokens and belongs to none.
pub(super) fn is_space(found: char) -> bool {
    matches!(found, ' ' | '\t' | '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{3000}') || is_line_end(found)
}

/// What ends a line; the line handed over ends in one of these.
pub(super) fn is_line_end(found: char) -> bool {
    matches!(found, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Digits of the scripts that count in tens.
pub(super) fn is_digit(found: char) -> bool {
    found.is_ascii_digit() || (!found.is_ascii() && found.is_numeric() && is_decimal(found))
}

fn is_decimal(found: char) -> bool {
    matches!(found, '\u{660}'..='\u{669}' | '\u{6f0}'..='\u{6f9}' | '\u{7c0}'..='\u{7c9}' | '\u{966}'..='\u{96f}'
        | '\u{9e6}'..='\u{9ef}' | '\u{e50}'..='\u{e59}' | '\u{ff10}'..='\u{ff19}')
}

/// Letters of every script on the basic plane; what lies beyond it is no text here.
pub(super) fn is_letter(found: char) -> bool {
    found.is_ascii_alphabetic()
        || (found < '\u{10000}' && found.is_alphabetic() && !is_mark(found) && !is_roman_number(found))
}

fn is_roman_number(found: char) -> bool {
    matches!(found, '\u{2150}'..='\u{218f}' | '\u{2460}'..='\u{24ff}' | '\u{3021}'..='\u{3029}')
}

/// Accents and modifiers: part of a word, though not of a hyphenated one.
pub(super) fn is_mark(found: char) -> bool {
    matches!(found, '\u{ad}' | '\u{2c2}'..='\u{2c5}' | '\u{2d2}'..='\u{2df}' | '\u{2e5}'..='\u{2eb}' | '\u{2ed}'
        | '\u{2ef}'..='\u{36f}' | '\u{375}' | '\u{378}' | '\u{379}' | '\u{384}' | '\u{385}' | '\u{3f6}'
        | '\u{483}'..='\u{487}' | '\u{55a}'..='\u{55f}' | '\u{591}'..='\u{5bd}' | '\u{5bf}' | '\u{5c1}' | '\u{5c2}'
        | '\u{5c4}' | '\u{5c5}' | '\u{5c7}' | '\u{615}'..='\u{61a}' | '\u{64b}'..='\u{65e}' | '\u{670}'
        | '\u{6d6}'..='\u{6e4}' | '\u{6e7}'..='\u{6ed}' | '\u{93e}'..='\u{94e}')
}

/// A letter or an accent.
pub(super) fn is_written(found: char) -> bool {
    is_letter(found) || is_mark(found)
}

/// A letter or a digit.
pub(super) fn is_plain(found: char) -> bool {
    is_letter(found) || is_digit(found)
}

/// Signs that stand alone and are kept; whatever is not listed anywhere is dropped.
pub(super) fn is_sign(found: char) -> bool {
    matches!(found, '&' | '%' | '$' | '+' | '=' | '\\' | '^' | '|' | '~' | '/' | '@' | '<' | '>' | '_' | '#' | '*'
        | '¡' | '¥'..='©' | '¬' | '®'..='±' | '´' | '¶'..='¸' | '¿' | '×' | '÷' | '\u{37e}' | '\u{387}' | '\u{589}'
        | '\u{5be}' | '\u{5c0}' | '\u{5c3}' | '\u{5c6}' | '\u{5f3}' | '\u{5f4}' | '\u{600}'..='\u{603}'
        | '\u{606}'..='\u{60c}' | '\u{614}' | '\u{61b}' | '\u{61e}' | '\u{61f}' | '\u{66a}' | '\u{66d}' | '\u{6d4}'
        | '\u{700}'..='\u{70d}' | '\u{7f6}'..='\u{7f8}' | '\u{964}' | '\u{965}' | '\u{e3f}' | '\u{e4f}' | '\u{1fbd}'
        | '\u{2016}' | '\u{2017}' | '\u{201a}' | '\u{201e}' | '\u{201f}' | '\u{2020}'..='\u{2023}'
        | '\u{2030}'..='\u{2038}' | '\u{203b}' | '\u{203e}'..='\u{2042}' | '\u{2044}' | '\u{207a}'..='\u{207e}'
        | '\u{208a}'..='\u{208e}' | '\u{20a4}' | '\u{2100}' | '\u{2101}' | '\u{2103}'..='\u{2106}' | '\u{2108}'
        | '\u{2109}' | '\u{2114}' | '\u{2116}'..='\u{2118}' | '\u{211e}'..='\u{2123}' | '\u{2125}' | '\u{2127}'
        | '\u{2129}' | '\u{212e}' | '\u{213a}' | '\u{213b}' | '\u{2140}'..='\u{2144}' | '\u{214a}'..='\u{214d}'
        | '\u{214f}' | '\u{2155}'..='\u{215e}' | '\u{2190}'..='\u{2bff}' | '\u{3001}' | '\u{3002}' | '\u{3012}'
        | '\u{30fb}' | '\u{ff01}'..='\u{ff0f}' | '\u{ff1a}'..='\u{ff20}' | '\u{ff3b}'..='\u{ff40}'
        | '\u{ff5b}'..='\u{ff65}' | '\u{ffe0}' | '\u{ffe1}' | '\u{ffe5}' | '\u{ffe6}')
}

/// Words that split in two, as (whole, first part).
pub(super) const ASSIMILATIONS: &[(&str, &str)] = &[
    ("cannot", "can"),
    ("gonna", "gon"),
    ("gotta", "got"),
    ("lemme", "lem"),
    ("gimme", "gim"),
    ("wanna", "wan"),
    ("'tis", "'t"),
    ("'twas", "'t"),
];

/// Abbreviations that keep their full stop and may end a sentence.
pub(super) const ENDING_ABBREVIATIONS: &[&str] = &[
    "al", "ala", "apr", "ariz", "assn", "aug", "bhd", "bldg", "blvd", "bros", "calif", "co", "colo", "conn", "cont'd",
    "corp", "cos", "ct", "dak", "dec", "esq", "est", "etc", "ext", "feb", "fla", "fri", "ga", "inc", "ind", "intl",
    "jan", "jr", "jul", "jun", "kan", "kans", "ky", "ltd", "mar", "md", "mich", "minn", "mo", "mon", "mont", "neb",
    "nev", "nov", "oct", "okla", "penn", "ph.d", "plc", "rd", "rt", "sep", "sept", "seq", "sq", "sr", "sys", "tel",
    "tenn", "thu", "thurs", "tue", "tues", "univ", "va", "vt", "wed", "wis", "wisc", "wyo", "ppte", "ppty", "pte",
    "ptes", "pty", "ptys", "pptes", "pptys",
];

/// The same, but only with a capital: as words they mean something else.
pub(super) const CAPITAL_ABBREVIATIONS: &[&str] =
    &["Ark", "Az", "Del", "Ill", "La", "Mass", "Miss", "Ore", "Pa", "Tex", "Wash"];

/// Abbreviations that keep their full stop and stand before something: titles mostly.
pub(super) const TITLE_ABBREVIATIONS: &[&str] = &[
    "adj", "adm", "adv", "alex", "assoc", "asst", "atty", "ave", "brig", "capt", "cf", "cie", "cmdr", "col", "comdr",
    "cpl", "dept", "det", "dr", "drs", "elec", "ens", "ft", "gen", "gov", "govs", "hon", "insp", "invt", "jos",
    "lieut", "lt", "maj", "messrs", "mfg", "mlle", "mme", "mr", "mrs", "ms", "msgr", "mt", "mtg", "natl", "pfc", "ph",
    "pres", "prof", "profs", "pvt", "rep", "reps", "rev", "sen", "sens", "sfc", "sgt", "spc", "st", "ste", "supt",
    "supts", "vs", "wm",
];

/// Abbreviations that keep their full stop where a number follows.
pub(super) const NUMBER_ABBREVIATIONS: &[&str] = &["art", "ca", "fig", "figs", "no", "nos", "op", "pp", "prop"];

/// Words that, with a capital, show that the single letter before them ended a sentence.
pub(super) const SENTENCE_OPENERS: &[&str] = &[
    "A",
    "About",
    "According",
    "Additionally",
    "After",
    "An",
    "As",
    "At",
    "But",
    "Earlier",
    "He",
    "Her",
    "Here",
    "However",
    "If",
    "In",
    "It",
    "Last",
    "Many",
    "More",
    "Now",
    "Once",
    "One",
    "Other",
    "Our",
    "She",
    "Since",
    "So",
    "Some",
    "Such",
    "That",
    "The",
    "Their",
    "Then",
    "There",
    "These",
    "They",
    "This",
    "We",
    "What",
    "When",
    "While",
    "Yet",
    "You",
];

/// Tokens that the scores do not see.
pub(super) const PUNCTUATION: &[&str] =
    &["''", "'", "``", "`", "-LRB-", "-RRB-", "-LCB-", "-RCB-", ".", "?", "!", ",", ":", "-", "--", "...", ";"];

/// Endings of file names.
pub(super) const FILE_ENDINGS: &[&str] = &[
    "bat", "bmp", "c", "class", "cgi", "cpp", "dll", "doc", "docx", "exe", "gif", "gz", "h", "htm", "html", "jar",
    "java", "jpeg", "jpg", "mov", "mp3", "pdf", "php", "pl", "png", "ppt", "ps", "py", "sql", "tar", "txt", "wav", "x",
    "xml", "zip", "wma", "wmv",
];

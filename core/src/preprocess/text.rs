//! Text as the authors clean it before tokenizing (`data/utils.py`: `pre_caption`, `pre_question`).

/// Characters both cleanings take out.
const REMOVED: [char; 10] = ['.', '!', '"', '(', ')', '*', '#', ':', ';', '~'];

/// Cleans a caption: lower case, punctuation to spaces, runs of white space to one space, at most `max_words` words.
///
/// The authors allow 30 words, 40 for NLVR2 and video.
pub fn pre_caption(text: &str, max_words: usize) -> String {
    let text = text.to_lowercase().replace(REMOVED, " ");
    let text = collapse_spaces(&text);
    first_words(text.trim_end_matches('\n').trim_matches(' '), max_words)
}

/// Cleans a question: lower case, punctuation deleted, at most `max_words` words; the authors allow 50.
///
/// Reference quirk: unlike in a caption, nothing takes the place of what is deleted (`a.b` becomes `ab`),
/// leading spaces stay, and each space of a run begins a word that counts.
pub fn pre_question(text: &str, max_words: usize) -> String {
    let text = text.to_lowercase().replace(REMOVED, "");
    first_words(text.trim_end_matches(' '), max_words)
}

/// A statement about two pictures as it is true of them the other way round: left for right, right for left.
///
/// Where the authors exchange the two only as words with spaces around (`nlvr_dataset.py`), this reads past
/// punctuation too, so that `the left-hand picture, not the right` stays true.
pub fn swap_sides(statement: &str) -> String {
    let mut swapped = String::with_capacity(statement.len());
    for part in statement.split_inclusive(|letter: char| !letter.is_alphanumeric()) {
        let word = part.trim_end_matches(|letter: char| !letter.is_alphanumeric());
        swapped.push_str(match word {
            "left" => "right",
            "right" => "left",
            other => other,
        });
        swapped.push_str(&part[word.len()..]);
    }
    swapped
}

/// Two or more white-space characters in a row become one space; one alone stays what it is, a line break too.
fn collapse_spaces(text: &str) -> String {
    let mut collapsed = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let mut run = 1;
        while is_space(character) && characters.next_if(|&next| is_space(next)).is_some() {
            run += 1;
        }
        collapsed.push(if run > 1 { ' ' } else { character });
    }
    collapsed
}

/// Python's `\s`, which counts the four ASCII separators where Unicode's property does not.
fn is_space(character: char) -> bool {
    character.is_whitespace() || ('\x1c'..='\x1f').contains(&character)
}

fn first_words(text: &str, max_words: usize) -> String {
    text.split(' ').take(max_words).collect::<Vec<_>>().join(" ")
}

//! Words of a search that begin with a dash, told from options.

use std::ffi::{OsStr, OsString};

use clap::{Arg, Command};

/// The arguments of a search with its words behind `--`, where `-snow` is no option; of any other command as they are.
///
/// An option of one letter stands alone, as in `-m FILE`: `-mountain` is a word.
pub fn behind_options(command: &Command, arguments: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut arguments = arguments.into_iter();
    let mut options: Vec<OsString> = arguments.by_ref().take(2).collect();
    let search = command.find_subcommand("search").filter(|_| options.get(1).is_some_and(|name| name == "search"));
    let Some(search) = search else {
        options.extend(arguments);
        return options;
    };
    let mut words = vec![OsString::from("--")];
    while let Some(argument) = arguments.next() {
        if argument == "--" {
            words.extend(arguments.by_ref());
            break;
        }
        match value_follows(search, &argument) {
            Some(true) => options.extend([Some(argument), arguments.next()].into_iter().flatten()),
            Some(false) => options.push(argument),
            None => words.push(argument),
        }
    }
    options.append(&mut words);
    options
}

/// Whether an option's value is the next argument; `None` for what is no option.
fn value_follows(command: &Command, argument: &OsStr) -> Option<bool> {
    let text = argument.to_string_lossy();
    let takes_value = |known: &Arg| known.get_action().takes_values();
    if let Some(long) = text.strip_prefix("--") {
        // One that is not known is said to be so later.
        return Some(command.get_arguments().find(|known| known.get_long() == Some(long)).is_some_and(takes_value));
    }
    let mut letters = text.strip_prefix('-')?.chars();
    let letter = letters.next()?;
    let known = command.get_arguments().find(|known| known.get_short() == Some(letter));
    match letters.as_str() {
        "" if letter == 'h' => Some(false),
        "" => known.map(takes_value),
        rest => known.filter(|_| rest.starts_with('=')).map(|_| false),
    }
}

#[cfg(test)]
mod tests {
    use clap::ArgAction;

    use super::*;

    fn apart(arguments: &str) -> String {
        let search = Command::new("search").args([
            Arg::new("words").action(ArgAction::Append),
            Arg::new("top").long("top").action(ArgAction::Set),
            Arg::new("model").short('m').long("model").action(ArgAction::Set),
            Arg::new("null").short('0').action(ArgAction::SetTrue),
            Arg::new("json").long("json").action(ArgAction::SetTrue),
        ]);
        let command = Command::new("medley").subcommand(search);
        let arguments = arguments.split(' ').map(OsString::from);
        behind_options(&command, arguments).join(OsStr::new(" ")).into_string().expect("text")
    }

    #[test]
    fn words_with_a_dash_are_no_options_and_options_may_stand_anywhere() {
        for (given, expected) in [
            ("medley search dog -snow", "medley search -- dog -snow"),
            ("medley search -snow --top 3 dog --json", "medley search --top 3 --json -- -snow dog"),
            ("medley search a --top=3 -(red car) -0", "medley search --top=3 -0 -- a -(red car)"),
            ("medley search -m x -mountain -h -horse -m=y", "medley search -m x -h -m=y -- -mountain -horse"),
            ("medley search --nonsense dog - -9", "medley search --nonsense -- dog - -9"),
            ("medley search -snow -- --top 3", "medley search -- -snow --top 3"),
            ("medley search dog --top", "medley search --top -- dog"),
            ("medley caption -snow --top 3", "medley caption -snow --top 3"),
            ("medley", "medley"),
        ] {
            assert_eq!(apart(given), expected, "{given}");
        }
    }
}

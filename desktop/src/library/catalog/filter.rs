//! Which files a filter lets through: one question to SQLite, with every value bound.
//!
//! `photo_shown` and `photo_content` hold whatever is asked of all files, so that a million of them are looked through
//! in the index alone. Nothing is sorted there by date: numbers are sorted faster than rows.

use std::path::MAIN_SEPARATOR;

use anyhow::Result;
use jiff::ZonedDateTime;
use jiff::civil::Date;
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::Catalog;
use crate::library::photo::{ContentId, Kind, PhotoId};
use crate::library::query::{Compare, Filter};

/// A file that a filter lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Which file.
    pub photo: PhotoId,
    /// What it shows; `None` for what was not read yet.
    pub content: Option<ContentId>,
    /// The day it was taken, such as 20240630; 0 for a date that is none.
    pub day: u32,
    /// The time of that day, such as 170509.
    pub time: u32,
}

/// How files are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// By when they were taken, the last first.
    #[default]
    Newest,
    /// By when they were taken, the first first.
    Oldest,
    /// By name, in any case, then by folder.
    Name,
}

impl Catalog {
    /// The files that are there and that a filter lets through.
    ///
    /// # Errors
    /// A catalogue that cannot be read, a filter of more parts than SQLite takes.
    pub fn find(&self, filter: &Filter, order: Order) -> Result<Vec<Row>> {
        let mut rows = self.let_through(filter, ZonedDateTime::now().date(), order == Order::Name)?;
        let moment = |row: &Row| (row.day, row.time, row.photo);
        match order {
            Order::Newest => rows.sort_unstable_by_key(|row| std::cmp::Reverse(moment(row))),
            Order::Oldest => rows.sort_unstable_by_key(moment),
            Order::Name => {}
        }
        Ok(rows)
    }

    /// The files that are there and that a filter lets through on a day, in no order or by name.
    pub(super) fn let_through(&self, filter: &Filter, today: Date, is_by_name: bool) -> Result<Vec<Row>> {
        let condition = Condition::of(filter, today);
        self.read(|connection| condition.rows(connection, is_by_name))
    }

    /// The files that are there and show one of these, which are in ascending order, as [`find_contents`] gives them.
    ///
    /// [`find_contents`]: Self::find_contents
    ///
    /// # Errors
    /// A catalogue that cannot be read.
    pub(in crate::library) fn files_of(&self, contents: &[ContentId]) -> Result<Vec<Row>> {
        self.read(|connection| {
            let sql =
                "select id, content, taken from photo where content = ?1 and missing_ms is null order by taken, id";
            let mut statement = connection.prepare_cached(sql)?;
            let mut rows = Vec::with_capacity(contents.len());
            for content in contents {
                let mut found = statement.query([content])?;
                while let Some(row) = found.next()? {
                    rows.push(read_row(row)?);
                }
            }
            Ok(rows)
        })
    }
}

/// What a row must fulfil, and the values that stand for `?` in it, in their order.
#[derive(Debug)]
struct Condition {
    sql: String,
    values: Vec<Value>,
}

impl Condition {
    fn of(filter: &Filter, today: Date) -> Self {
        let mut condition = Self { sql: String::new(), values: Vec::new() };
        condition.add(filter, today);
        condition
    }

    fn rows(&self, connection: &Connection, is_by_name: bool) -> rusqlite::Result<Vec<Row>> {
        let order = if is_by_name { " order by name collate nocase, folder, id" } else { "" };
        let sql = format!("select id, content, taken from photo where missing_ms is null and {}{order}", self.sql);
        let mut statement = connection.prepare_cached(&sql)?;
        let mut found = statement.query(params_from_iter(&self.values))?;
        let mut rows = Vec::new();
        while let Some(row) = found.next()? {
            rows.push(read_row(row)?);
        }
        Ok(rows)
    }

    fn add(&mut self, filter: &Filter, today: Date) {
        match filter {
            Filter::All => self.sql.push_str("true"),
            Filter::And(parts) => self.join(parts, " and ", "true", today),
            Filter::Or(parts) => self.join(parts, " or ", "false", today),
            Filter::Not(part) => {
                // What is unknown, such as the stars of a photograph without a rating, is not what was asked.
                self.sql.push('(');
                self.add(part, today);
                self.sql.push_str(") is not true");
            }
            Filter::Exact(text) => self.exact(text),
            Filter::Date { from, to } => self.taken(from.map(|from| from.first()), to.map(|to| to.end())),
            Filter::Recent(recent) => {
                let (first, end) = recent.days(today);
                self.taken(Some(first.to_string()), end.map(|end| end.to_string()));
            }
            Filter::Folder(text) => self.folder(text),
            Filter::Name(text) => self.like("name", text),
            Filter::Camera(text) => self.like("camera", text),
            Filter::Lens(text) => self.like("lens", text),
            Filter::Rating(compare) => self.compare("rating", compare.map(i64::from), false),
            Filter::Type(Kind::Photo) => self.sql.push_str("kind = 'photo'"),
            Filter::Type(Kind::Video) => self.sql.push_str("kind = 'video'"),
            Filter::Pixels(compare) => {
                self.sql.push_str("content in (select id from content where ");
                self.compare("width * height", compare.map(u64::cast_signed), true);
                self.sql.push(')');
            }
            Filter::Bytes(compare) => self.compare("size_bytes", compare.map(u64::cast_signed), true),
            Filter::HasCaption => self.sql.push_str(
                "(content in (select content from caption) and content not in (select content from caption as empty
                where text = '' and not exists (select 1 from caption as later
                where later.content = empty.content and later.id > empty.id)))",
            ),
            Filter::HasPlace => self.sql.push_str("latitude is not null"),
            Filter::HasRating => self.sql.push_str("rating is not null"),
        }
    }

    fn join(&mut self, parts: &[Filter], between: &str, of_none: &str, today: Date) {
        if parts.is_empty() {
            return self.sql.push_str(of_none);
        }
        self.sql.push('(');
        for (place, part) in parts.iter().enumerate() {
            self.sql.push_str(if place > 0 { between } else { "" });
            self.add(part, today);
        }
        self.sql.push(')');
    }

    /// These words next to each other; letters and digits are what the index of words knows.
    fn exact(&mut self, text: &str) {
        if text.contains(char::is_alphanumeric) {
            self.sql.push_str("id in (select rowid from words where words match ?)");
            self.values.push(Value::Text(format!("\"{}\"", text.replace('"', "\"\""))));
        } else {
            self.sql.push_str(
                "id in (select rowid from words where name like ? escape '\\' or caption like ? escape '\\')",
            );
            self.values.extend([Value::Text(contains(text)), Value::Text(contains(text))]);
        }
    }

    fn taken(&mut self, first: Option<String>, end: Option<String>) {
        let mut parts = Vec::new();
        for (part, value) in [("taken >= ?", first), ("taken < ?", end)] {
            if let Some(value) = value {
                parts.push(part);
                self.values.push(Value::Text(value));
            }
        }
        self.sql.push_str(if parts.is_empty() { "true" } else { "(" });
        self.sql.push_str(&parts.join(" and "));
        self.sql.push_str(if parts.is_empty() { "" } else { ")" });
    }

    /// A whole path is that folder and all below it.
    fn folder(&mut self, text: &str) {
        let home = text.strip_prefix("~/").and_then(|rest| Some(dirs::home_dir()?.join(rest)));
        let path = home.map_or_else(|| text.to_owned(), |path| path.to_string_lossy().into_owned());
        let is_drive = path.as_bytes().get(1..3).is_some_and(|start| matches!(start, b":\\" | b":/"));
        if !(path.starts_with('/') || is_drive) || path.contains(['*', '?']) {
            return self.like("folder", text);
        }
        let folder = path.trim_end_matches(['/', '\\']);
        let below = format!("{folder}{MAIN_SEPARATOR}");
        let end = format!("{folder}{}", char::from(MAIN_SEPARATOR as u8 + 1));
        self.sql.push_str("(folder = ? or (folder >= ? and folder < ?))");
        self.values.extend([folder.to_owned(), below, end].map(Value::Text));
    }

    /// This somewhere in it, or, with `*` or `?`, the whole of it so.
    fn like(&mut self, column: &str, text: &str) {
        self.sql.push_str(column);
        self.sql.push_str(" like ? escape '\\'");
        self.values.push(Value::Text(if text.contains(['*', '?']) { pattern(text) } else { contains(text) }));
    }

    fn compare(&mut self, column: &str, compare: Compare<i64>, is_size: bool) {
        let bounds = match compare {
            Compare::Below(number) => vec![("<", number)],
            Compare::AtMost(number) => vec![("<=", number)],
            // Nobody knows a size to the last pixel or byte.
            Compare::Exactly(number) if is_size => vec![(">=", number - number / 20), ("<=", number + number / 20)],
            Compare::Exactly(number) => vec![("=", number)],
            Compare::AtLeast(number) => vec![(">=", number)],
            Compare::Above(number) => vec![(">", number)],
            Compare::Between(from, to) => vec![(">=", from), ("<=", to)],
        };
        let parts: Vec<String> = bounds.iter().map(|(sign, _)| format!("{column} {sign} ?")).collect();
        self.sql.push_str(&format!("({})", parts.join(" and ")));
        self.values.extend(bounds.into_iter().map(|(_, number)| Value::Integer(number)));
    }
}

/// What `like` finds this text with, wherever it stands.
fn contains(text: &str) -> String {
    format!("%{}%", escaped(text))
}

/// `*` and `?` as `like` writes them.
fn pattern(text: &str) -> String {
    escaped(text).replace('*', "%").replace('?', "_")
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        if matches!(letter, '%' | '_' | '\\') {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    escaped
}

fn read_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    let taken = row.get_ref(2)?.as_str()?;
    let (day, time) = taken.split_once('T').unwrap_or((taken, ""));
    Ok(Row { photo: row.get(0)?, content: row.get(1)?, day: digits(day), time: digits(time) })
}

/// The digits of a date or a time as one number; 0 for what is neither.
fn digits(text: &str) -> u32 {
    let mut number = 0_u32;
    for byte in text.bytes().filter(u8::is_ascii_digit).take(8) {
        number = 10 * number + u32::from(byte - b'0');
    }
    number
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::library::query::Query;

    /// Six photographs, one of them gone, one not read yet.
    fn catalogue() -> Connection {
        let connection = Connection::open_in_memory().expect("memory");
        connection.execute_batch(include_str!("0001.sql")).expect("a catalogue");
        let fill = "
            insert into root(id, path) values (1, x'2f70');
            insert into content(id, hash, width, height) values
                (1, x'01', 4000, 3000), (2, x'02', 1000, 1000), (3, x'03', 640, 480), (4, x'04', 0, 0);
            insert into photo(id, root, path, folder, name, kind, size_bytes, modified_ns, content, taken, camera,
                latitude, longitude, rating, missing_ms) values
                (1, 1, x'01', '/p/italy', 'IMG_1.jpg', 'photo', 5000000, 0, 1, '2024-06-30T17:05:09', 'Canon R6', 1, 2, 5, null),
                (2, 1, x'02', '/p/italy/rome', 'b%c.png', 'photo', 900, 0, 2, '2024-07-01T00:00:00', 'NIKON', null, null, 3, null),
                (3, 1, x'03', '/p/italy2', 'Film.mp4', 'video', 90000, 0, 3, '2023-12-31T23:59:59', null, null, null, null, null),
                (4, 1, x'04', '/q', 'copy of IMG_1.jpg', 'photo', 5000000, 0, 1, '2024-06-30T17:05:09', 'Canon R6', null, null, 0, null),
                (5, 1, x'05', '/q', 'gone.jpg', 'photo', 1, 0, 2, '2024-06-30T17:05:09', null, null, null, 5, 1),
                (6, 1, x'06', '/q', 'unread.jpg', 'photo', 1, 0, null, 'unknown', null, null, null, null, null);
            insert into caption(content, text, source, written_ms) values
                (1, 'A dog in New York', 'person', 0), (2, 'wrong', 'model', 0), (2, '', 'person', 0), (3, '', 'person', 0),
                (3, 'a red car', 'model', 0);
            delete from words;
            insert into words(rowid, name, caption) select id, name, coalesce((select text from caption
                where content = photo.content order by caption.id desc limit 1), '') from photo;";
        connection.execute_batch(fill).expect("photographs");
        connection
    }

    fn found(query: &str) -> Vec<PhotoId> {
        let query: Query = query.parse().expect("a query");
        let condition = Condition::of(&query.filter, jiff::civil::date(2024, 7, 3));
        let mut ids: Vec<PhotoId> =
            condition.rows(&catalogue(), false).expect(&condition.sql).iter().map(|row| row.photo).collect();
        ids.sort_unstable();
        ids
    }

    #[test]
    fn filters_find_what_they_say() {
        for (query, expected) in [
            ("", &[1, 2, 3, 4, 6][..]),
            ("\"new york\"", &[1, 4]),
            ("\"york new\"", &[]),
            ("\"img 1\"", &[1, 4]),
            ("\"%\"", &[2]),
            ("date:2024-06", &[1, 4]),
            ("date:2024-06-30..2024-07", &[1, 2, 4]),
            ("date:..2023", &[3]),
            ("date:this-week", &[2, 6]),
            ("date:last-week", &[1, 4]),
            ("date:last-year", &[3]),
            ("folder:ITALY", &[1, 2, 3]),
            ("folder:/p/italy/", &[1, 2]),
            ("folder:*/rome", &[2]),
            ("name:%", &[2]),
            ("name:img_", &[1, 4]),
            ("name:img?1.*", &[1]),
            ("camera:canon", &[1, 4]),
            ("-camera:canon", &[2, 3, 6]),
            ("rating:>=3", &[1, 2]),
            ("NOT rating:>=3", &[3, 4, 6]),
            ("rating:0", &[4]),
            ("has:rating", &[1, 2, 4]),
            ("type:video", &[3]),
            ("size:>2mp", &[1, 4]),
            ("size:1mp", &[2]),
            ("-size:>2mp", &[2, 3, 6]),
            ("size:<1kb", &[2, 6]),
            ("has:caption", &[1, 3, 4]),
            ("-has:caption", &[2, 6]),
            ("has:place", &[1]),
            ("type:video OR (rating:5 folder:p)", &[1, 3]),
            ("-(type:video OR rating:5)", &[2, 4, 6]),
            ("camera:\"' or true --\"", &[]),
        ] {
            assert_eq!(found(query), expected, "{query}");
        }
    }

    #[test]
    fn a_row_knows_its_moment() {
        let rows = Condition::of(&Filter::Rating(Compare::Exactly(5)), jiff::civil::date(2024, 7, 3));
        let rows = rows.rows(&catalogue(), true).expect("rows");
        assert_eq!(rows, [Row { photo: 1, content: Some(1), day: 20_240_630, time: 170_509 }]);
    }

    #[test]
    fn a_million_are_looked_through_in_an_index_alone() {
        let connection = catalogue();
        for query in
            ["camera:canon", "rating:>=3", "folder:italy", "name:img", "type:video", "size:>2mp", "has:caption"]
        {
            let filter = query.parse::<Query>().expect("a query").filter;
            let condition = Condition::of(&filter, jiff::civil::date(2024, 7, 3));
            let sql = format!(
                "explain query plan select id, content, taken from photo where missing_ms is null and {}",
                condition.sql
            );
            let mut statement = connection.prepare(&sql).expect("a plan");
            let mut rows = statement.query(params_from_iter(&condition.values)).expect("a plan");
            let mut plan = Vec::new();
            while let Some(row) = rows.next().expect("a step") {
                plan.push(row.get::<_, String>(3).expect("a text"));
            }
            let is_covered = plan[0].contains("photo_shown") || plan[0].contains("COVERING INDEX");
            assert!(is_covered, "{query}: {plan:?}");
        }
    }
}

//! What a filter let through last: while words beside it are typed, nobody goes through a million files again.

use std::sync::Arc;

use anyhow::Result;
use jiff::ZonedDateTime;
use jiff::civil::Date;
use rusqlite::Connection;

use super::filter::Row;
use super::{Catalog, explain, locked};
use crate::library::query::Filter;

/// Files that a filter lets through, as of one state of the catalogue.
#[derive(Debug)]
pub(super) struct Recent {
    filter: Filter,
    /// What `last week` is reckoned from.
    today: Date,
    version: i64,
    rows: Arc<Vec<Row>>,
}

impl Catalog {
    /// As [`find`](Self::find), what was read alone, by what it shows and then the first taken first; at once where the
    /// same was asked last and nothing was written since.
    pub(in crate::library) fn find_contents(&self, filter: &Filter) -> Result<Arc<Vec<Row>>> {
        let today = ZonedDateTime::now().date();
        // Before the rows are read: what is written meanwhile makes them old.
        let version = self.version()?;
        let is_same = |recent: &&Recent| (recent.version, recent.today) == (version, today) && recent.filter == *filter;
        if let Some(recent) = locked(&self.recent).as_ref().filter(is_same) {
            return Ok(Arc::clone(&recent.rows));
        }
        let mut rows = self.let_through(filter, today, false)?;
        rows.retain(|row| row.content.is_some());
        rows.sort_unstable_by_key(|row| (row.content, row.day, row.time, row.photo));
        let rows = Arc::new(rows);
        *locked(&self.recent) = Some(Recent { filter: filter.clone(), today, version, rows: Arc::clone(&rows) });
        Ok(rows)
    }

    /// A number that is another one as soon as anybody has written something.
    fn version(&self) -> Result<i64> {
        let mut watch = locked(&self.watch);
        let connection: &Connection = match &mut *watch {
            Some(connection) => connection,
            // It is about what others write: this connection writes nothing and is nobody else's.
            none => none.insert(self.reader()?),
        };
        let version = connection.pragma_query_value(None, "data_version", |row| row.get(0));
        version.map_err(|error| explain(error, &self.file))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::library::query::Query;

    #[test]
    fn a_filter_is_asked_again_only_when_something_was_written_or_it_is_another() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("catalog.sqlite");
        let catalog = Catalog::open(&file).expect("a catalogue");
        let fill = "
            insert into root(id, path) values (1, x'2f70');
            insert into content(id, hash) values (1, x'01');
            insert into photo(root, path, folder, name, kind, size_bytes, modified_ns, content, taken, camera)
                values (1, x'01', '/p', 'a.jpg', 'photo', 1, 0, 1, '2024-06-30T17:05:09', 'Canon');";
        catalog.write(|connection| connection.execute_batch(fill)).expect("is written");
        let filter = |query: &str| query.parse::<Query>().expect("a query").filter;
        let find = |query: &str| catalog.find_contents(&filter(query)).expect("rows");
        let first = find("camera:canon");
        assert_eq!(first.len(), 1);
        assert!(Arc::ptr_eq(&first, &find("camera:canon")));
        assert_eq!(find("camera:nikon").len(), 0);
        let again = find("camera:canon");
        assert!(!Arc::ptr_eq(&first, &again) && first == again);
        catalog.write(|connection| connection.execute("update photo set camera = 'Nikon'", ())).expect("is written");
        assert_eq!(find("camera:canon").len(), 0, "this program wrote");
        let other = Catalog::open(&file).expect("the same catalogue");
        other.write(|connection| connection.execute("update photo set camera = 'Canon'", ())).expect("is written");
        assert_eq!(find("camera:canon").len(), 1, "another one wrote");
    }
}

//! Days, months and years, as they are written and as they are looked up.

use std::fmt::{self, Display, Formatter};

use jiff::ToSpan;
use jiff::civil::{Date, Weekday};

/// A year, a month or a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    year: u16,
    /// 0 for a whole year.
    month: u8,
    /// 0 for a whole month or year.
    day: u8,
}

impl Period {
    /// The period of these numbers, if the calendar has it.
    pub fn new(year: u16, month: Option<u8>, day: Option<u8>) -> Option<Self> {
        let is_month = month.is_none_or(|month| (1..=12).contains(&month));
        let is_day = match (month, day) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(month), Some(day)) => is_month && (1..=days(year, month)).contains(&day),
        };
        let is_fine = (1..=9999).contains(&year) && is_month && is_day;
        is_fine.then_some(Self { year, month: month.unwrap_or(0), day: day.unwrap_or(0) })
    }

    /// Reads `2024`, `2024-6`, `2024-06-30` or the same with slashes.
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut parts = text.split(['-', '/']);
        let year = parts.next().filter(|year| year.len() == 4 && is_number(year))?.parse().ok()?;
        let mut part = || match parts.next() {
            None => Some(None),
            Some(part) if part.len() <= 2 && is_number(part) => part.parse().ok().map(Some),
            Some(_) => None,
        };
        let (month, day) = (part()?, part()?);
        if parts.next().is_some() {
            return None;
        }
        Self::new(year, month, day)
    }

    /// Its first day, as `2024-06-01`.
    pub fn first(self) -> String {
        format!("{:04}-{:02}-{:02}", self.year, self.month.max(1), self.day.max(1))
    }

    /// The day after its last one; after all days that can be written, behind the last year of four digits.
    pub fn end(self) -> String {
        self.next().map_or_else(|| ":".to_owned(), Self::first)
    }

    /// The year, month or day after it; `None` after the last that can be written.
    pub(super) fn next(self) -> Option<Self> {
        let Self { year, month, day } = self;
        if day > 0 && day < days(year, month) {
            return Some(Self { day: day + 1, ..self });
        }
        let (year, month) = match month {
            0 => (year + 1, 0),
            12 => (year + 1, 1),
            month => (year, month + 1),
        };
        (year <= 9999).then_some(Self { year, month, day: day.min(1) })
    }

    /// The year, month or day before it; `None` before the first.
    pub(super) fn previous(self) -> Option<Self> {
        let Self { year, month, day } = self;
        if day > 1 {
            return Some(Self { day: day - 1, ..self });
        }
        let (year, month) = match month {
            0 => (year - 1, 0),
            1 => (year - 1, 12),
            month => (year, month - 1),
        };
        let day = if day == 0 { 0 } else { days(year, month) };
        (year > 0).then_some(Self { year, month, day })
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Days of a month.
fn days(year: u16, month: u8) -> u8 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 31,
    }
}

impl Display for Period {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:04}", self.year)?;
        if self.month > 0 {
            write!(formatter, "-{:02}", self.month)?;
        }
        if self.day > 0 {
            write!(formatter, "-{:02}", self.day)?;
        }
        Ok(())
    }
}

/// A time reckoned from today, which a saved search reckons anew; weeks begin on Monday.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recent {
    /// Since midnight.
    Today,
    /// The day before.
    Yesterday,
    /// Since Monday.
    ThisWeek,
    /// The week before this one.
    LastWeek,
    /// Since the first of the month.
    ThisMonth,
    /// The month before this one.
    LastMonth,
    /// Since the first of January.
    ThisYear,
    /// The year before this one.
    LastYear,
}

impl Recent {
    /// All there are.
    pub const ALL: [Self; 8] = [
        Self::Today,
        Self::Yesterday,
        Self::ThisWeek,
        Self::LastWeek,
        Self::ThisMonth,
        Self::LastMonth,
        Self::ThisYear,
        Self::LastYear,
    ];

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Today => "today",
            Self::Yesterday => "yesterday",
            Self::ThisWeek => "this-week",
            Self::LastWeek => "last-week",
            Self::ThisMonth => "this-month",
            Self::LastMonth => "last-month",
            Self::ThisYear => "this-year",
            Self::LastYear => "last-year",
        }
    }

    /// Its first day and the day after its last; without that, it goes on.
    pub fn days(self, today: Date) -> (Date, Option<Date>) {
        let monday = today.saturating_sub(i64::from(today.weekday().since(Weekday::Monday)).days());
        let (month, year) = (today.first_of_month(), today.first_of_year());
        match self {
            Self::Today => (today, None),
            Self::Yesterday => (today.saturating_sub(1.day()), Some(today)),
            Self::ThisWeek => (monday, None),
            Self::LastWeek => (monday.saturating_sub(1.week()), Some(monday)),
            Self::ThisMonth => (month, None),
            Self::LastMonth => (month.saturating_sub(1.month()), Some(month)),
            Self::ThisYear => (year, None),
            Self::LastYear => (year.saturating_sub(1.year()), Some(year)),
        }
    }
}

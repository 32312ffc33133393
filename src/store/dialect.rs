//! Where the two engines differ, and nowhere else: rows of a parameter, sets of ids, row locks.
//!
//! A statement is one text for both engines, or two texts built by the macros here. Each statement begins with
//! a comment that names its function, and stands in its file's `STATEMENTS`, which a test prepares on both.

/// One statement in the dialect of each engine.
#[derive(Clone, Copy, Debug)]
pub struct Sql {
    /// For SQLite.
    pub sqlite: &'static str,
    /// For PostgreSQL.
    pub postgres: &'static str,
}

impl Sql {
    /// The same text for both.
    pub const fn both(text: &'static str) -> Self {
        Self { sqlite: text, postgres: text }
    }
}

/// Declares a file's statements: each a constant, all of them in `STATEMENTS`.
macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $sql:expr;)+) => {
        $($(#[$doc])* const $name: $crate::store::dialect::Sql = $sql;)+
        /// Every statement of this file, for the test that prepares them on both engines.
        pub(crate) const STATEMENTS: &[(&str, $crate::store::dialect::Sql)] =
            &[$((concat!(module_path!(), "::", stringify!($name)), $name)),+];
    };
}

/// A statement with one text for SQLite and PostgreSQL, except for the fragments in `{}`:
/// `ids($1)` a set of ids in a JSON list, `lock` and `skip` the row locks that SQLite's one writer makes needless.
macro_rules! sql {
    (@piece sqlite ($text:literal)) => { $text };
    (@piece postgres ($text:literal)) => { $text };
    (@piece $engine:ident ($text:ident ! $words:tt)) => { $text ! $words };
    (@piece sqlite (ids $p:literal)) => { concat!("(SELECT unhex(value) FROM json_each(", $p, "))") };
    (@piece postgres (ids $p:literal)) => {
        concat!("(SELECT value::uuid FROM jsonb_array_elements_text(", $p, "::jsonb))")
    };
    (@piece sqlite (texts $p:literal)) => { concat!("(SELECT value FROM json_each(", $p, "))") };
    (@piece postgres (texts $p:literal)) => {
        concat!("(SELECT value FROM jsonb_array_elements_text(", $p, "::jsonb))")
    };
    (@piece sqlite (hashes $p:literal)) => { concat!("(SELECT unhex(value) FROM json_each(", $p, "))") };
    (@piece postgres (hashes $p:literal)) => {
        concat!("(SELECT decode(value, 'hex') FROM jsonb_array_elements_text(", $p, "::jsonb))")
    };
    (@piece sqlite (database_clock)) => { "SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER)" };
    (@piece postgres (database_clock)) => {
        "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint"
    };
    // Neither needs a privilege. A server in recovery writes no log, and takes no claim either.
    (@piece sqlite (timeline)) => { "SELECT CAST(NULL AS TEXT) AS timeline, 0 AS synchronous" };
    (@piece postgres (timeline)) => {
        "SELECT (SELECT system_identifier FROM pg_control_system())::text || '/' || CASE WHEN pg_is_in_recovery() \
         THEN 'recovery' ELSE substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) END AS timeline, \
         (current_setting('synchronous_standby_names') <> '' AND \
         current_setting('synchronous_commit') IN ('on', 'remote_apply'))::int::bigint AS synchronous"
    };
    (@piece sqlite (lock)) => { "" };
    (@piece postgres (lock)) => { " FOR UPDATE" };
    (@piece sqlite (skip)) => { "" };
    (@piece postgres (skip)) => { " FOR UPDATE SKIP LOCKED" };
    (@piece sqlite (rows $p:literal $($c:ident $k:ident),+)) => {
        concat!("(SELECT ", $crate::store::dialect::sql!(@columns sqlite $($c $k),+),
            " FROM ", $crate::store::dialect::sql!(@elements $p), ")")
    };
    (@piece postgres (rows $p:literal $($c:ident $k:ident),+)) => {
        concat!("(SELECT ", $crate::store::dialect::sql!(@columns postgres $($c $k),+),
            " FROM jsonb_array_elements(", $p, "::jsonb))")
    };
    // Each element is written out once: without the limit, which changes nothing, SQLite would fold the inner query
    // into the outer one and write the element out again for every column (sqlite.org/optoverview.html, section 11).
    (@elements $p:literal) => { concat!("(SELECT value FROM json_each(", $p, ") LIMIT -1 OFFSET 0)") };
    (@columns $engine:ident $c:ident $k:ident $(, $cs:ident $ks:ident)*) => {
        concat!($crate::store::dialect::sql!(@column $engine $c $k)
            $(, ", ", $crate::store::dialect::sql!(@column $engine $cs $ks))*)
    };
    // The casts give each column an affinity, without which SQLite does not look it up by an index.
    (@column sqlite $c:ident id) => { concat!("CAST(unhex(value->>'", stringify!($c), "') AS BLOB) AS ", stringify!($c)) };
    (@column sqlite $c:ident bytes) => { concat!("CAST(unhex(value->>'", stringify!($c), "') AS BLOB) AS ", stringify!($c)) };
    (@column sqlite $c:ident int) => { concat!("CAST(value->>'", stringify!($c), "' AS INTEGER) AS ", stringify!($c)) };
    (@column sqlite $c:ident text) => { concat!("CAST(value->>'", stringify!($c), "' AS TEXT) AS ", stringify!($c)) };
    (@column postgres $c:ident id) => { concat!("(value->>'", stringify!($c), "')::uuid AS ", stringify!($c)) };
    (@column postgres $c:ident bytes) => { concat!("decode(value->>'", stringify!($c), "', 'hex') AS ", stringify!($c)) };
    (@column postgres $c:ident int) => { concat!("(value->>'", stringify!($c), "')::bigint AS ", stringify!($c)) };
    (@column postgres $c:ident text) => { concat!("value->>'", stringify!($c), "' AS ", stringify!($c)) };
    ($($piece:tt),+ $(,)?) => {
        $crate::store::dialect::Sql {
            sqlite: concat!($($crate::store::dialect::sql!(@piece sqlite $piece)),+),
            postgres: concat!($($crate::store::dialect::sql!(@piece postgres $piece)),+),
        }
    };
}

/// An insert of many rows that travel as one JSON parameter `$1`: `insert_rows!("-- who" "table" (a id, b int) "tail")`.
macro_rules! insert_rows {
    ($who:literal $table:literal ($c:ident $k:ident $(, $cs:ident $ks:ident)* $(,)?) $tail:literal) => {
        $crate::store::dialect::Sql {
            sqlite: concat!($who, "\nINSERT INTO ", $table, " (", stringify!($c) $(, ", ", stringify!($cs))*,
                ") SELECT ", $crate::store::dialect::sql!(@columns sqlite $c $k $(, $cs $ks)*),
                " FROM ", $crate::store::dialect::sql!(@elements "$1"), " WHERE true ", $tail),
            postgres: concat!($who, "\nINSERT INTO ", $table, " (", stringify!($c) $(, ", ", stringify!($cs))*,
                ") SELECT ", $crate::store::dialect::sql!(@columns postgres $c $k $(, $cs $ks)*),
                " FROM jsonb_array_elements($1::jsonb) WHERE true ", $tail),
        }
    };
}

/// Runs one body on whichever engine a [`crate::store::Tx`] has: `on!(tx, SQL, |c, sql| sqlx::query(sql)...)`.
macro_rules! on {
    ($tx:expr, $statement:expr, |$c:ident, $sql:ident| $body:expr) => {
        match $tx {
            $crate::store::Tx::Sqlite(tx) => {
                let ($c, $sql) = (&mut **tx, $statement.sqlite);
                $body
            }
            $crate::store::Tx::Postgres(tx) => {
                let ($c, $sql) = (&mut **tx, $statement.postgres);
                $body
            }
        }
    };
}

pub(crate) use {insert_rows, on, sql, statements};

//! The store on its own: statements, schema, sealing.

use crate::house::{House, On, at, medicine, on_both, person, planned};
use carebell::care::ChannelKind::Sms;
use carebell::care::ids::InstanceId;
use carebell::security::Keyring;
use carebell::store::holds::Rest;
use carebell::store::meta::InstanceRow;
use carebell::store::{MIGRATIONS, Store, alarms, connect_sqlite, holds, meta};
use sqlx::Connection as _;
use std::collections::BTreeSet;

async fn sqlite() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store =
        connect_sqlite(&dir.path().join("carebell.db"), Keyring::new(&[7; 32])).await.unwrap();
    store.migrate().await.unwrap();
    (dir, store)
}

#[tokio::test]
async fn p11_every_statement_prepares_on_sqlite() {
    let (_dir, store) = sqlite().await;
    let refused = store.refused_statements().await.unwrap();
    assert!(refused.is_empty(), "{refused:#?}");
    assert!(carebell::store::all_statements().len() > 60);
}

#[tokio::test]
async fn migrations_are_the_folder_in_both_dialects() {
    for (engine, text) in [("sqlite", 2), ("postgres", 3)] {
        let folder =
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(engine);
        let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|f| f.unwrap()).collect();
        files.sort_by_key(std::fs::DirEntry::file_name);
        assert_eq!(files.len(), MIGRATIONS.len());
        for (file, migration) in files.iter().zip(MIGRATIONS) {
            assert_eq!(
                file.file_name().to_string_lossy(),
                format!("{:04}_{}.sql", migration.0, migration.1)
            );
            let binary = if text == 2 { migration.2 } else { migration.3 };
            assert_eq!(std::fs::read_to_string(file.path()).unwrap(), binary);
        }
    }
}

on_both!(p11_every_statement_prepares_on_both, async |house: House| {
    let refused = house.app.store.refused_statements().await.unwrap();
    assert!(refused.is_empty(), "{refused:#?}");
});

/// Table, column, whether it may be null.
type Column = (String, String, bool);
/// Table, and the columns that are unique together.
type Unique = (String, BTreeSet<String>);

#[tokio::test]
async fn p11_both_engines_have_one_schema() {
    let Some(postgres) = House::build(On::Postgres).await else { return };
    let sqlite = House::build(On::Sqlite).await.unwrap();
    let mut lite = sqlx::SqliteConnection::connect(&sqlite.database_url()).await.unwrap();
    let mut pg = sqlx::PgConnection::connect(&postgres.database_url()).await.unwrap();
    let ours = "m.name NOT LIKE 'sqlite_%' AND m.name NOT LIKE '\\_sqlx%' ESCAPE '\\'";
    let lite_columns: Vec<Column> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "SELECT m.name, c.name, c.\"notnull\" = 0 AND c.pk = 0 FROM sqlite_schema m \
         JOIN pragma_table_xinfo(m.name) c WHERE m.type = 'table' AND {ours} ORDER BY 1, 2"
    )))
    .fetch_all(&mut lite)
    .await
    .unwrap();
    let pg_columns: Vec<Column> = sqlx::query_as(
        "SELECT table_name::text, column_name::text, is_nullable = 'YES' FROM information_schema.columns \
         WHERE table_schema = 'public' AND table_name NOT LIKE '\\_sqlx%' ORDER BY 1, 2",
    )
    .fetch_all(&mut pg)
    .await
    .unwrap();
    assert!(lite_columns.len() > 120, "{}", lite_columns.len());
    let lite_columns: BTreeSet<_> = lite_columns.into_iter().collect();
    let pg_columns: BTreeSet<_> = pg_columns.into_iter().collect();
    let differ: Vec<_> = lite_columns.symmetric_difference(&pg_columns).collect();
    assert!(differ.is_empty(), "{differ:#?}");

    let lite_keys: Vec<(String, String, String)> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "SELECT m.name, i.name, c.name FROM sqlite_schema m JOIN pragma_index_list(m.name) i \
         JOIN pragma_index_info(i.name) c WHERE m.type = 'table' AND i.\"unique\" = 1 AND {ours}"
    )))
    .fetch_all(&mut lite)
    .await
    .unwrap();
    let pg_keys: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT t.relname::text, i.relname::text, a.attname::text FROM pg_index x \
         JOIN pg_class t ON t.oid = x.indrelid JOIN pg_class i ON i.oid = x.indexrelid \
         JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = ANY (x.indkey) \
         JOIN pg_namespace n ON n.oid = t.relnamespace \
         WHERE x.indisunique AND n.nspname = 'public' AND t.relname NOT LIKE '\\_sqlx%'",
    )
    .fetch_all(&mut pg)
    .await
    .unwrap();
    let (mut lite_keys, pg_keys) = (keys(lite_keys), keys(pg_keys));
    // SQLite's row number is its own key and has no index.
    lite_keys.insert(("intake".to_owned(), BTreeSet::from(["id".to_owned()])));
    assert!(lite_keys.len() > 20);
    let differ: Vec<_> = lite_keys.symmetric_difference(&pg_keys).collect();
    assert!(differ.is_empty(), "{differ:#?}");
}

fn keys(rows: Vec<(String, String, String)>) -> BTreeSet<Unique> {
    let mut by_index = std::collections::BTreeMap::<_, BTreeSet<String>>::new();
    for (table, index, column) in rows {
        by_index.entry((table, index)).or_default().insert(column);
    }
    by_index.into_iter().map(|((table, _), columns)| (table, columns)).collect()
}

#[test]
fn every_column_of_the_migrations_has_its_comment() {
    let mut columns = 0;
    for (number, name, sqlite, postgres) in MIGRATIONS {
        for text in [sqlite, postgres] {
            let mut above = "";
            let mut inside = false;
            for line in text.lines().map(str::trim) {
                if inside && is_column(line) {
                    columns += 1;
                    assert!(above.starts_with("-- "), "{number} {name}: no comment above {line}");
                }
                inside = (inside || line.starts_with("CREATE TABLE")) && !line.starts_with(')');
                above = line;
            }
        }
    }
    assert!(columns > 240, "{columns}");
}

fn is_column(line: &str) -> bool {
    line.starts_with(|c: char| c.is_ascii_lowercase())
}

on_both!(alarms_are_rebuilt_from_their_owners, async |house: House| {
    let id = house.patient(person("p", "Europe/Lisbon", &[(Sms, "+351912345001")])).await;
    house.activity(id, medicine("a", &["08:00"])).await;
    house.play_until(planned()).await;
    let lost = house.damage("DELETE FROM alarms").await;
    assert_eq!(lost, 2, "the patient's and the message's");
    let mut tx = house.app.store.write().await.unwrap();
    assert_eq!(alarms::rebuild(&mut tx).await.unwrap(), 2);
    assert_eq!(alarms::rebuild(&mut tx).await.unwrap(), 0);
    tx.commit().await.unwrap();
    house.play_until(at(33, 0)).await;
    assert_eq!(house.accepted("+351912345001"), [480, 24 * 60 + 480]);
});

on_both!(an_instance_takes_its_rests_along_when_it_leaves, async |house: House| {
    let instance = |n| InstanceId(uuid::Uuid::from_u128(n));
    let (leaves, silent, stays) = (instance(1), instance(2), instance(3));
    let mut tx = house.app.store.write().await.unwrap();
    for (id, heartbeat) in [(leaves, at(8, 0)), (silent, at(7, 0)), (stays, at(8, 0))] {
        let row = InstanceRow {
            id: id.0,
            host: "here".to_owned(),
            pid: 7,
            version: "1".to_owned(),
            started_at_ms: 0,
            heartbeat_ms: heartbeat.0,
        };
        meta::beat(&mut tx, &row).await.unwrap();
        let (channel, because) = (id.to_string(), "500".to_owned());
        let rest = Rest { channel, until: at(9, 0), since: at(8, 0), because };
        holds::rest(&mut tx, id, &rest).await.unwrap();
    }
    assert_eq!(holds::rests(&mut tx, at(8, 0)).await.unwrap().len(), 3);
    meta::leave(&mut tx, leaves, at(7, 30)).await.unwrap();
    let rests = holds::rests(&mut tx, at(8, 0)).await.unwrap();
    assert_eq!(rests, [(stays.to_string(), at(9, 0))]);
    assert_eq!(holds::rests(&mut tx, at(9, 0)).await.unwrap(), []);
});

//! A copy of a SQLite database beside its daemon: whole, of one moment, without holding up the writer.

use super::{Pools, Result, Store};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};
use std::path::Path;

impl Store {
    /// Copies the database into an empty or absent file (VACUUM INTO: a read transaction); whether the engine is one
    /// that does so. PostgreSQL has its own tools.
    pub async fn copy_into(&self, file: &Path) -> Result<bool> {
        let Pools::Sqlite { writer, .. } = &self.pools else { return Ok(false) };
        // The readers' own connections refuse all writing, that into another file included.
        let options: SqliteConnectOptions = (*writer.connect_options()).clone();
        let mut connection = options.optimize_on_close(false, None).connect().await?;
        let copied = sqlx::query("-- backup::copy_into\nVACUUM INTO $1")
            .bind(file.to_string_lossy().into_owned())
            .execute(&mut connection)
            .await;
        connection.close().await?;
        copied?;
        Ok(true)
    }
}

/// What SQLite finds wrong with a copy, opened for reading alone; nothing when it is whole.
pub async fn faults_of_copy(file: &Path) -> Result<Vec<String>> {
    let options = SqliteConnectOptions::new().filename(file).read_only(true);
    let mut connection = options.connect().await?;
    let said: Vec<String> = sqlx::query_scalar("-- backup::faults_of_copy\nPRAGMA quick_check(10)")
        .fetch_all(&mut connection)
        .await?;
    let migrated: i64 = sqlx::query_scalar("-- backup::faults_of_copy\nSELECT count(*) FROM meta")
        .fetch_one(&mut connection)
        .await?;
    connection.close().await?;
    let mut faults: Vec<String> = said.into_iter().filter(|line| line != "ok").collect();
    if migrated == 0 {
        faults.push("it holds no facts of a database".to_owned());
    }
    Ok(faults)
}

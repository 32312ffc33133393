//! The store on its own: statements, schema, sealing.

use carebell::security::Keyring;
use carebell::store::{MIGRATIONS, Store, connect_sqlite};

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

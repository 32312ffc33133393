//! The configuration's layers: which wins, what is refused, and that nothing secret is said.

use carebell::config::{ConfigProblems, Environment, KindConfig, Loaded, Mode, User, load};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

struct Setup {
    folder: TempDir,
    environment: Environment,
}

impl Setup {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let environment = Environment {
            variables: [("HOME".to_owned(), "/home/ada".to_owned())].into(),
            working_dir: folder.path().join("here"),
            system_dir: folder.path().join("etc"),
            user: User::Other,
        };
        for part in ["here", "etc", "credentials"] {
            std::fs::create_dir(folder.path().join(part)).unwrap();
        }
        Self { folder, environment }
    }

    fn file(self, name: &str, text: &str) -> Self {
        std::fs::write(self.path(name), text).unwrap();
        self
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.variables.insert(name.into(), value.into());
        self
    }

    fn credential(self, name: &str, value: &str) -> Self {
        let folder = self.path("credentials").to_string_lossy().into_owned();
        self.file(&format!("credentials/{name}"), value).variable("CREDENTIALS_DIRECTORY", &folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn load(&self) -> Result<Loaded, ConfigProblems> {
        load(None, &self.environment)
    }

    /// The one problem, as place, what and fix.
    fn problem(&self) -> (String, String, String) {
        let ConfigProblems(problems) = self.load().unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:?}");
        let one = problems[0].clone();
        let root = self.folder.path().to_string_lossy().into_owned();
        (one.place.replace(&root, ""), one.what, one.fix)
    }
}

const WHATSAPP: &str = r#"
[channels.whatsapp]
phone_number_id = "106540352242922"
access_token = "from-the-file"
app_secrets = ["first"]
verify_token = "word"
"#;

#[test]
fn without_any_layer_the_defaults_are_valid() {
    let loaded = Setup::new().load().unwrap();
    assert_eq!(loaded.config.mode, Mode::Sandbox);
    assert_eq!(loaded.config.state_dir, Path::new("/home/ada/.local/state/carebell"));
    assert_eq!(loaded.config.http.listen, "127.0.0.1:8480");
    assert_eq!(loaded.config.deliver.retry_seconds, [60, 300, 900]);
    assert!(loaded.config.channels.get("whatsapp").is_none());
    assert_eq!(loaded.origin("http.listen"), "default");
    assert_eq!(loaded.master_key_credential, None);
}

#[test]
fn the_state_folder_follows_systemd_then_the_user() {
    for (user, variables, expected) in [
        (
            User::Other,
            vec![("STATE_DIRECTORY", "/var/lib/carebell:/var/lib/x")],
            "/var/lib/carebell",
        ),
        (User::Other, vec![("XDG_STATE_HOME", "/x")], "/x/carebell"),
        (User::Root, vec![("XDG_STATE_HOME", "/x")], "/var/lib/carebell"),
        (User::Root, vec![("STATE_DIRECTORY", "/s")], "/s"),
    ] {
        let setup = variables.iter().fold(Setup::new(), |setup, (k, v)| setup.variable(k, v));
        let environment = Environment { user, ..setup.environment.clone() };
        let got = load(None, &environment).unwrap().config.state_dir;
        assert_eq!(got, Path::new(expected), "{user:?} {variables:?}");
    }
}

#[test]
fn credentials_win_over_variables_over_the_file_over_defaults() {
    let setup = Setup::new()
        .file("here/carebell.toml", WHATSAPP)
        .file("etc/carebell.toml", "[http]\nlisten = \"127.0.0.1:1\"\n")
        .variable("CAREBELL_CHANNELS__WHATSAPP__ACCESS_TOKEN", "from-the-variable")
        .variable("CAREBELL_CHANNELS__WHATSAPP__VERIFY_TOKEN", "other word")
        .credential("channels.whatsapp.access_token", "from-the-credential\n")
        .credential("master_key", "00");
    let loaded = setup.load().unwrap();
    let Some(KindConfig::Whatsapp(whatsapp)) = loaded.config.channels.get("whatsapp") else {
        panic!("no WhatsApp")
    };
    assert_eq!(whatsapp.access_token.expose(), "from-the-credential");
    assert_eq!(whatsapp.verify_token.expose(), "other word");
    assert_eq!(whatsapp.app_secrets[0].expose(), "first");
    assert_eq!(whatsapp.base_url, "https://graph.facebook.com/v25.0");
    // The working directory's file is taken instead of the system's, not on top of it.
    assert_eq!(loaded.config.http.listen, "127.0.0.1:8480");
    assert_eq!(loaded.master_key_credential, Some(setup.path("credentials/master_key")));
    for (key, origin) in [
        ("channels.whatsapp.access_token", "credential channels.whatsapp.access_token"),
        ("channels.whatsapp.verify_token", "CAREBELL_CHANNELS__WHATSAPP__VERIFY_TOKEN"),
        ("channels.whatsapp.base_url", "default"),
        ("state_dir", "HOME"),
    ] {
        assert_eq!(loaded.origin(key), origin);
    }
    assert!(loaded.origin("channels.whatsapp.app_secrets").ends_with("here/carebell.toml"));
}

#[test]
fn a_channel_of_any_name_has_the_keys_of_its_kind() {
    let other = WHATSAPP.replace("whatsapp", "wa_kenya");
    let unsaid = Setup::new().file("here/carebell.toml", &other).problem();
    let none = "/here/carebell.toml: channels.wa_kenya";
    assert_eq!((unsaid.0.as_str(), unsaid.1.as_str()), (none, "is a channel of no kind"));
    let setup = Setup::new()
        .file("here/carebell.toml", &format!("{WHATSAPP}\n{other}\nrank = 7\n"))
        .variable("CAREBELL_CHANNELS__WA_KENYA__KIND", "whatsapp");
    let loaded = setup.load().unwrap();
    let names: Vec<&str> = loaded.config.channels.iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["wa_kenya", "whatsapp"]);
    let Some(KindConfig::Whatsapp(kenya)) = loaded.config.channels.get("wa_kenya") else {
        panic!("not WhatsApp")
    };
    assert_eq!(kenya.base_url, "https://graph.facebook.com/v25.0");
    let misspelt =
        setup.file("here/carebell.toml", &format!("{other}\nacess_token = \"S3CRET\"\n"));
    let (place, _, fix) = misspelt.problem();
    assert_eq!(place, "/here/carebell.toml: channels.wa_kenya.acess_token");
    assert_eq!(fix, "did you mean channels.wa_kenya.access_token?");
}

#[test]
fn the_named_file_is_taken_alone_and_must_be_there() {
    let setup = Setup::new()
        .file("here/carebell.toml", "mode = \"live\"")
        .file("named.toml", "[deliver]\npermits = 8");
    let loaded = load(Some(&setup.path("named.toml")), &setup.environment).unwrap();
    assert_eq!((loaded.config.mode, loaded.config.deliver.permits), (Mode::Sandbox, 8));
    let missing = load(Some(&setup.path("absent.toml")), &setup.environment).unwrap_err();
    assert!(missing.0[0].what.starts_with("cannot be read"), "{missing}");
}

#[test]
fn p10_every_fault_names_place_key_and_fix_and_no_value() {
    let table = [
        (
            "[htp]\nlisten = \"S3CRET\"",
            "/here/carebell.toml: htp.listen",
            "is no key",
            "did you mean http.listen?",
        ),
        (
            "[deliver]\nwhatever_it_is = \"S3CRET\"",
            "/here/carebell.toml: deliver.whatever_it_is",
            "is no key",
            "`carebell config default` lists the keys",
        ),
        (
            "[http]\nlisten = 8480",
            "/here/carebell.toml: http.listen",
            "is a whole number, not text",
            "write text",
        ),
        (
            "http = \"S3CRET\"",
            "/here/carebell.toml: http",
            "is a section, not a value",
            "set a key in it",
        ),
        (
            "mode = \"S3CRET\"",
            "/here/carebell.toml: mode",
            "is none of its words",
            "write one of: sandbox, live",
        ),
        (
            "[http]\nlisten = \"S3CRET\"",
            "/here/carebell.toml: http.listen",
            "is not an address with a port",
            "write it as 127.0.0.1:8480",
        ),
        (
            "[deliver]\npermits = -4",
            "/here/carebell.toml: deliver.permits",
            "is a whole number with a sign, not u32",
            "`carebell config default` shows an example",
        ),
        (
            "[deliver]\nretry_seconds = [\"S3CRET\"]",
            "/here/carebell.toml: deliver.retry_seconds.0",
            "is text, not u32",
            "`carebell config default` shows an example",
        ),
        (
            "[database]\nurl = \"postgres://u:S3CRET@db.example/c?sslmode=disable\"",
            "/here/carebell.toml: database.url",
            "asks for an sslmode that does not verify a server on another machine",
            "use sslmode=verify-full (sslrootcert=FILE for a private authority), or set database.dangerous_accept_unverified_tls",
        ),
        (
            "[database]\nurl = \"mysql://u:S3CRET@db.example/c\"",
            "/here/carebell.toml: database.url",
            "is no PostgreSQL URL",
            "write postgres://user@host/database (host1,host2 for a primary and its standby), \
             or leave it empty for SQLite",
        ),
        (
            "mode = \"sandbox\"\n[http]\nlisten = \"S3CRET",
            "/here/carebell.toml: line 3",
            "is not TOML",
            "check quotes, brackets and repeated keys on this line",
        ),
        (
            "[channels.whatsapp]\naccess_token = \"S3CRET\"\napp_secrets = [\"S3CRET\"]\nverify_token = \"S3CRET\"",
            "channels.whatsapp.phone_number_id",
            "is missing",
            "set it, or leave channels.whatsapp out",
        ),
    ];
    for (file, place, what, fix) in table {
        let setup = Setup::new().file("here/carebell.toml", file);
        let got = setup.problem();
        assert_eq!((got.0.as_str(), got.1.as_str(), got.2.as_str()), (place, what, fix), "{file}");
        assert!(!setup.load().unwrap_err().to_string().contains("S3CRET"), "{file}");
    }
}

#[test]
fn variables_and_credentials_are_held_to_the_same_keys() {
    let (place, what, fix) = Setup::new().variable("CAREBELL_HTTP__LISTN", "x").problem();
    assert_eq!((place.as_str(), what.as_str()), ("CAREBELL_HTTP__LISTN", "is no key"));
    assert_eq!(fix, "did you mean http.listen?");
    let (place, what, _) = Setup::new().variable("CAREBELL_DELIVER__PERMITS", "S3CRET").problem();
    assert_eq!(
        (place.as_str(), what.as_str()),
        ("CAREBELL_DELIVER__PERMITS", "is not a whole number")
    );
    let (place, what, _) =
        Setup::new().credential("channels.whatsapp.acess_token", "S3CRET").problem();
    assert_eq!(place, "credential channels.whatsapp.acess_token");
    assert_eq!(what, "is no key");
}

#[test]
fn all_faults_are_reported_at_once() {
    let file = "[http]\nlisten = 1\nport = 2\n[log]\nfilter = false";
    let ConfigProblems(problems) =
        Setup::new().file("here/carebell.toml", file).load().unwrap_err();
    let keys: Vec<&str> =
        problems.iter().filter_map(|p| p.place.rsplit_once(": ").map(|(_, key)| key)).collect();
    assert_eq!(keys, ["http.listen", "http.port", "log.filter"]);
}

#[test]
fn live_mode_needs_an_https_address_for_replies() {
    let live = format!("mode = \"live\"\n{WHATSAPP}");
    let setup = Setup::new().file("here/carebell.toml", &live);
    assert_eq!(setup.problem().0, "default: http.public_url");
    let setup = setup.variable("CAREBELL_HTTP__PUBLIC_URL", "https://bell.example.org");
    assert_eq!(setup.load().unwrap().config.mode, Mode::Live);
}

#[test]
fn p10_what_is_shown_has_no_secret() {
    let setup = Setup::new()
        .file("here/carebell.toml", &WHATSAPP.replace("first", "S3CRET"))
        .variable("CAREBELL_CHANNELS__WHATSAPP__ACCESS_TOKEN", "S3CRET")
        .variable("CAREBELL_DATABASE__URL", "postgres://u:S3CRET@localhost/c");
    let loaded = setup.load().unwrap();
    let shown = serde_json::to_string(&loaded.effective()).unwrap();
    assert!(shown.contains("channels.whatsapp.access_token"), "{shown}");
    assert!(shown.contains("postgres://u:********@localhost/c"), "{shown}");
    assert!(!shown.contains("S3CRET"), "{shown}");
    assert!(!format!("{:?}", loaded.config.channels).contains("S3CRET"));
}

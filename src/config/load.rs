//! From layers to one configuration: built-in defaults < file < environment < credentials.

use super::channels::Preset;
use super::environment::Environment;
use super::mask::{self, Effective};
use super::problem::{ConfigProblems, Problem, Report, origin, place};
use super::schema::{Kinds, Schema, insert, leaves};
use super::{ChannelsConfig, Config, DEFAULT};
use figment::error::{Actual, Kind};
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use toml::Table;

/// A valid configuration and where it came from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The values.
    pub config: Config,
    /// The master key handed over by systemd, a file named `master_key` among the credentials.
    pub master_key_credential: Option<PathBuf>,
    layers: Figment,
}

impl Loaded {
    /// The layer that set a key, by its dotted name: `default`, a file, a variable, a credential.
    pub fn origin(&self, key: &str) -> String {
        origin(&self.layers, key)
    }

    /// Every value in force, secrets masked, with the layer that set it.
    pub fn effective(&self) -> Vec<Effective> {
        mask::effective(&self.config, &self.layers)
    }
}

/// Loads the configuration. `file` is the one the user named; without it `carebell.toml` is looked for in the
/// working directory, then in the system's folder, and may be absent.
///
/// # Errors
/// Every problem found, each with place and fix. Values are never quoted: they may be secrets.
pub fn load(file: Option<&Path>, environment: &Environment) -> Result<Loaded, ConfigProblems> {
    let schema = Schema::built_in().map_err(|fault| ConfigProblems(vec![fault]))?;
    let mut given = Given::default();
    let layer = given.file(file, environment);
    let schema = schema.of_kinds(kinds(layer.as_ref(), environment));
    if let Some(layer) = layer {
        given.problems.extend(schema.check(&layer.table, &layer.origin));
        given.layers.push(layer);
    }
    given.variables(environment, &schema);
    given.credentials(environment, &schema);
    given.presets(&schema);
    if !given.problems.is_empty() {
        return Err(ConfigProblems(given.problems));
    }
    let layers = layered(given.layers, environment, &schema);
    let config = extract(&layers).map_err(|faults| {
        ConfigProblems(faults.iter().map(|fault| problem(fault, &layers)).collect())
    })?;
    let mut report = Report::new(&layers);
    config.validate(&mut report);
    report.into_result()?;
    Ok(Loaded { config, master_key_credential: given.master_key, layers })
}

/// The values of the layers together.
pub(super) fn extract(layers: &Figment) -> Result<Config, Vec<figment::Error>> {
    let config = layers.extract::<Config>();
    let channels = ChannelsConfig::extract(layers);
    match (config, channels) {
        (Ok(config), Ok(channels)) => Ok(Config { channels, ..config }),
        (config, channels) => {
            let faults = config.err().into_iter().flatten();
            let of_channels = channels.err().into_iter().flatten().map(|fault| *fault);
            Err(faults.chain(of_channels).collect())
        }
    }
}

/// The kinds of the channels: which keys a channel has depends on it.
fn kinds(file: Option<&Layer>, environment: &Environment) -> Kinds {
    let mut kinds = Kinds::default();
    let said = file.map(|file| leaves(&file.table)).unwrap_or_default();
    for (key, value) in &said {
        kinds.learn(key, value);
    }
    for (name, text) in &environment.variables {
        if let Some(key) = key_of_variable(name) {
            kinds.learn(&key, &text.as_str().into());
        }
    }
    kinds
}

/// The key that a variable sets.
fn key_of_variable(name: &str) -> Option<String> {
    name.strip_prefix("CAREBELL_").map(|rest| rest.to_lowercase().replace("__", "."))
}

/// The channels of a table like a file's, with the defaults of their kinds. What validation would refuse is taken: a
/// channel that is to reach nobody needs no account.
///
/// # Errors
/// Keys that are none, and values of the wrong kind.
pub fn read_channels(
    table: Table,
    environment: &Environment,
) -> Result<ChannelsConfig, ConfigProblems> {
    let origin = "the request".to_owned();
    let schema = Schema::built_in().map_err(|fault| ConfigProblems(vec![fault]))?;
    let mut kinds = Kinds::default();
    for (key, value) in &leaves(&table) {
        kinds.learn(key, value);
    }
    let schema = schema.of_kinds(kinds);
    let mut given = Given { problems: schema.check(&table, &origin), ..Given::default() };
    given.layers.push(Layer { origin, table });
    given.presets(&schema);
    if !given.problems.is_empty() {
        return Err(ConfigProblems(given.problems));
    }
    let layers = layered(given.layers, environment, &schema);
    ChannelsConfig::extract(&layers).map_err(|faults| {
        ConfigProblems(faults.iter().map(|fault| problem(fault, &layers)).collect())
    })
}

/// One layer, or one variable or credential of it.
struct Layer {
    origin: String,
    table: Table,
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.origin.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let dict = Value::serialize(&self.table)?.into_dict().unwrap_or_default();
        Ok(Profile::Default.collect(dict))
    }
}

fn layered(given: Vec<Layer>, environment: &Environment, schema: &Schema) -> Figment {
    let set: Vec<String> =
        given.iter().flat_map(|layer| leaves(&layer.table).into_keys()).collect();
    let table = schema.defaults(set.iter().map(String::as_str));
    let (state_dir, said_by) = environment.state_dir();
    let mut state = Table::new();
    insert(&mut state, "state_dir", state_dir.to_string_lossy().into_owned().into());
    let base = Figment::from(Layer { origin: DEFAULT.to_owned(), table })
        .merge(Layer { origin: said_by.to_owned(), table: state });
    given.into_iter().fold(base, Figment::merge)
}

/// What the layers above the defaults hold, lowest first, and what is wrong with them.
#[derive(Default)]
struct Given {
    layers: Vec<Layer>,
    master_key: Option<PathBuf>,
    problems: Vec<Problem>,
}

impl Given {
    fn file(&mut self, named: Option<&Path>, environment: &Environment) -> Option<Layer> {
        let folders = [&environment.working_dir, &environment.system_dir];
        let mut usual = folders.into_iter().map(|folder| folder.join("carebell.toml"));
        let found = named.map(Path::to_owned).or_else(|| usual.find(|path| path.exists()));
        let path = found?;
        let origin = path.strip_prefix(".").unwrap_or(&path).display().to_string();
        match std::fs::read_to_string(&path) {
            Err(fault) => self.problems.push(Problem::new(
                origin,
                format!("cannot be read: {fault}"),
                "name a readable file with --config, or make this one readable",
            )),
            Ok(text) => match text.parse::<Table>() {
                Err(fault) => {
                    let before = fault.span().and_then(|span| text.get(..span.start));
                    let line = before.map_or(1, |before| before.matches('\n').count() + 1);
                    // Only the place: the parser's message may quote the line, and that may be a secret.
                    self.problems.push(Problem::new(
                        format!("{origin}: line {line}"),
                        "is not TOML",
                        "check quotes, brackets and repeated keys on this line",
                    ));
                }
                Ok(table) => return Some(Layer { origin, table }),
            },
        }
        None
    }

    fn variables(&mut self, environment: &Environment, schema: &Schema) {
        for (name, text) in &environment.variables {
            if let Some(key) = key_of_variable(name) {
                self.text(name.clone(), &key, text, schema);
            }
        }
    }

    /// Credentials are files named like keys (systemd.exec(5), LoadCredential=).
    fn credentials(&mut self, environment: &Environment, schema: &Schema) {
        let Some(folder) = environment.variable("CREDENTIALS_DIRECTORY") else { return };
        let files = match std::fs::read_dir(folder) {
            Ok(entries) => {
                let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
                files.sort();
                files
            }
            Err(fault) => {
                let what = format!("cannot be listed: {fault}");
                let fix = "check the unit's LoadCredential= lines";
                return self.problems.push(Problem::new("CREDENTIALS_DIRECTORY", what, fix));
            }
        };
        for file in files.iter().filter(|file| file.is_file()) {
            let key = file.file_name().unwrap_or_default().to_string_lossy();
            let origin = format!("credential {key}");
            match std::fs::read_to_string(file) {
                // Container runtimes keep their own bookkeeping in hidden files.
                _ if key.starts_with('.') => {}
                _ if key == "master_key" => self.master_key = Some(file.clone()),
                Ok(text) => self.text(origin, &key, text.trim_end_matches(['\r', '\n']), schema),
                Err(fault) => self.problems.push(Problem::new(
                    origin,
                    format!("cannot be read as text: {fault}"),
                    "write the value alone into the file, as UTF-8",
                )),
            }
        }
    }

    /// Known gateways, below everything that was said.
    fn presets(&mut self, schema: &Schema) {
        let said = self.layers.iter().flat_map(|layer| leaves(&layer.table));
        let named: BTreeMap<String, String> = said
            .filter_map(|(key, value)| {
                let channel = key.strip_prefix("channels.")?.strip_suffix(".preset")?.to_owned();
                Some((channel, value.as_str()?.to_owned()))
            })
            .collect();
        for (channel, name) in named.into_iter().filter(|(_, name)| !name.is_empty()) {
            match Preset::read(&channel, &name) {
                Ok(Preset { origin, table }) => {
                    self.problems.extend(schema.check(&table, &origin));
                    self.layers.insert(0, Layer { origin, table });
                }
                Err(problem) => self.problems.push(problem),
            }
        }
    }

    fn text(&mut self, origin: String, key: &str, text: &str, schema: &Schema) {
        match schema.coerce(key, text) {
            Ok(value) => {
                let mut table = Table::new();
                insert(&mut table, key, value);
                self.layers.push(Layer { origin, table });
            }
            Err(fault) => self.problems.push(fault.at(origin)),
        }
    }
}

/// A fault of the extraction: the schema has checked names and kinds, so what remains are missing keys, ranges
/// and words.
fn problem(fault: &figment::Error, layers: &Figment) -> Problem {
    let key = fault.path.join(".");
    // The fault knows the layer of an entry of a list; the layers know only whole keys.
    let place = fault
        .metadata
        .as_ref()
        .map_or_else(|| place(layers, &key), |layer| format!("{}: {key}", layer.name));
    match &fault.kind {
        Kind::MissingField(name) => {
            let key = if key.is_empty() { name.to_string() } else { format!("{key}.{name}") };
            let section = key.rsplit_once('.').map_or("configuration", |(section, _)| section);
            Problem::new(key.clone(), "is missing", format!("set it, or leave {section} out"))
        }
        Kind::UnknownField(name, known) => {
            let near = known.iter().map(|known| (strsim::damerau_levenshtein(name, known), known));
            let fix = match near.min() {
                Some((0..=2, known)) => format!("did you mean {known}?"),
                _ => format!("it takes: {}", known.join(", ")),
            };
            Problem::new(format!("{place}.{name}"), "is no key", fix)
        }
        Kind::UnknownVariant(_, words) => Problem::new(
            place,
            "is none of its words",
            format!("write one of: {}", words.join(", ")),
        ),
        Kind::InvalidType(found, wanted) | Kind::InvalidValue(found, wanted) => Problem::new(
            place,
            format!("is {}, not {wanted}", kind(found)),
            "`carebell config default` shows an example",
        ),
        _ => Problem::new(
            place,
            "is out of range or of the wrong kind",
            "`carebell config default` shows an example",
        ),
    }
}

fn kind(actual: &Actual) -> &'static str {
    match actual {
        Actual::Bool(_) => "true or false",
        Actual::Unsigned(_) => "a whole number",
        Actual::Signed(_) => "a whole number with a sign",
        Actual::Float(_) => "a number",
        Actual::Char(_) | Actual::Str(_) | Actual::Bytes(_) => "text",
        Actual::Seq => "a list",
        Actual::Map => "a section",
        _ => "something else",
    }
}

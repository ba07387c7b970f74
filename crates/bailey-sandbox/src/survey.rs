//! How every wall fares on this machine, each for itself: for the operator who wants to know what to
//! change. [`crate::NativeSandbox::open`] refuses at the first that fails; this goes on.

use std::path::PathBuf;

use crate::{
    cgroup::{self, Group, Hierarchy},
    config::NativeConfig,
    error::Layer,
    identity::Identities,
    janitor::{self, Remains},
    launcher::{self, Identity, Plan, Report},
    limits::Limits,
    spawner,
    spec::ProcessSpec,
    start,
};

/// One wall.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerFinding {
    /// Which.
    pub layer: Layer,
    /// How it fares.
    pub state: LayerState,
}

/// How a wall fares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LayerState {
    /// It was put up.
    Stands,
    /// It could not be put up: what was tried, and what the kernel said.
    Fails(String),
    /// It could not be tried, because one that it needs could not be put up.
    NotTried,
}

/// What a survey found.
#[derive(Debug, Clone)]
pub struct Survey {
    /// Every wall that this host needs, in the order in which they go up.
    pub layers: Vec<LayerFinding>,
    /// The version of control groups in use (1 or 2) and the folders below which groups are made.
    pub control_groups: Option<(u8, Vec<PathBuf>)>,
    /// The version of landlock that the kernel has, and the newest one whose rules are used where the
    /// kernel knows them.
    pub landlock: Option<(u32, u32)>,
}

impl Survey {
    /// Whether every wall stands.
    pub fn is_sound(&self) -> bool {
        self.layers.iter().all(|finding| finding.state == LayerState::Stands)
    }
}

/// Tries every wall. Nothing of anyone's runs behind them but an empty Python program.
pub async fn survey(config: NativeConfig) -> Survey {
    let survey = tokio::task::spawn_blocking(move || {
        let survey = run(&config);
        janitor::settle();
        survey
    });
    survey.await.unwrap_or_else(|error| {
        let mut notes = Notes::new();
        notes.fails(Layer::Launcher, format!("the survey was interrupted: {error}"));
        Survey { layers: notes.layers, control_groups: None, landlock: None }
    })
}

/// The walls in order, with what is known so far.
struct Notes {
    layers: Vec<LayerFinding>,
}

impl Notes {
    fn new() -> Self {
        let root = rustix::process::geteuid().is_root();
        let user = if root { Layer::Identity } else { Layer::UserNamespace };
        let order = [
            Layer::Launcher,
            Layer::CgroupLimits,
            user,
            Layer::Namespaces,
            Layer::FileSystem,
            Layer::Proc,
            Layer::Tmp,
            Layer::ResourceLimits,
            Layer::Capabilities,
            Layer::NoNewPrivileges,
            Layer::ParentDeath,
            Layer::Landlock,
            Layer::Seccomp,
            Layer::Program,
        ];
        Self { layers: order.map(|layer| LayerFinding { layer, state: LayerState::NotTried }).to_vec() }
    }

    fn state(&self, layer: Layer) -> Option<&LayerState> {
        self.layers.iter().find(|finding| finding.layer == layer).map(|finding| &finding.state)
    }

    /// A failure stays, whatever is heard later.
    fn set(&mut self, layer: Layer, state: LayerState) {
        match self.layers.iter_mut().find(|finding| finding.layer == layer) {
            Some(finding) if matches!(finding.state, LayerState::Fails(_)) => {}
            Some(finding) => finding.state = state,
            None => self.layers.push(LayerFinding { layer, state }),
        }
    }

    fn stands(&mut self, layer: Layer) {
        self.set(layer, LayerState::Stands);
    }

    fn fails(&mut self, layer: Layer, reason: String) {
        self.set(layer, LayerState::Fails(reason));
    }
}

fn run(config: &NativeConfig) -> Survey {
    let mut notes = Notes::new();
    let mut remains = Remains::new("survey");
    let limits = Limits::default();
    let hierarchy = cgroup::find(&config.cgroup_parent)
        .inspect_err(|error| notes.fails(Layer::CgroupLimits, error.reason.clone()))
        .ok();
    if let Some(hierarchy) = &hierarchy {
        let name = format!("{}-survey-{}", cgroup::owner_mark(), next_number());
        match Group::create(hierarchy, &name, &limits) {
            Ok(group) => {
                if let Err(error) = group.limit_processor(&limits) {
                    notes.fails(Layer::CgroupLimits, error.reason);
                }
                remains.group = Some(group);
            }
            Err(error) => notes.fails(Layer::CgroupLimits, error.reason),
        }
    }
    let identity = Identity::of_ordinary_user().unwrap_or_else(|| {
        let range = &config.uid_range;
        if range.is_empty() || range.contains(&0) {
            notes.fails(Layer::Identity, format!("the user id range {range:?} cannot be used"));
        } else {
            remains.lease = Identities::new(range.clone(), std::process::id()).take();
        }
        Identity::Own(remains.lease.as_ref().map_or(crate::DEFAULT_UID_RANGE.start, |lease| lease.id))
    });
    let spec = ProcessSpec::python_plugin("survey", config.root.path().join("plugin"), None);
    let plan = Plan {
        identity,
        cgroup_files: remains.group.as_ref().map(Group::join_files).unwrap_or_default(),
        root: config.root.path().to_owned(),
        interpreter: config.root.interpreter().to_owned(),
        executables: config.root.executables().to_vec(),
        arguments: ["-I", "-S", "-c", "pass"].map(Into::into).to_vec(),
        environment: spec.full_environment(),
        tool: None,
        plugin_dir: spec.plugin_dir,
        packages_dir: None,
        limits,
        survey: true,
    };
    if let Err(reason) = converse(config, &plan, &mut remains, &mut notes) {
        notes.fails(Layer::Launcher, reason);
    }
    Survey {
        layers: notes.layers,
        control_groups: hierarchy.as_ref().map(describe),
        landlock: launcher::landlock_version().map(|found| (found, launcher::NEWEST_LANDLOCK)),
    }
}

/// Starts the launcher and notes what it says about each wall.
fn converse(
    config: &NativeConfig,
    plan: &Plan,
    remains: &mut Remains,
    notes: &mut Notes,
) -> Result<(), String> {
    let said = |error: std::io::Error| format!("cannot talk with the launcher: {error}");
    let plan = serde_json::to_vec(plan).map_err(|error| format!("a path is not UTF-8: {error}"))?;
    let (mut control, theirs) = start::control_socket().map_err(said)?;
    let mut launcher = spawner::spawn(start::command(&config.launcher, &theirs))
        .map_err(|error| format!("cannot start {}: {error}", config.launcher.program.display()))?;
    drop(theirs);
    let mut heard = false;
    // What it did not come to say was not tried.
    for report in start::reports(&mut control, &plan, &mut None).map_while(Result::ok) {
        heard = true;
        match report {
            Report::Child(child) => remains.process = start::hold(child),
            Report::Listener => {} // a tool's; none was asked for
            Report::Stands(layer) => notes.stands(layer),
            Report::Failed(layer, _, reason) => notes.fails(layer, reason),
        }
    }
    let _already_gone = launcher.kill();
    let status = launcher.wait().map_err(said)?;
    if !heard {
        return Err(format!("the launcher ended without a word ({status})"));
    }
    notes.stands(Layer::Launcher);
    // The socket closes when the program runs. Nobody says so, but neither did anybody complain.
    let up = |layer| notes.state(layer) == Some(&LayerState::Stands);
    if up(Layer::FileSystem) && up(Layer::Seccomp) {
        notes.stands(Layer::Program);
    }
    Ok(())
}

fn describe(hierarchy: &Hierarchy) -> (u8, Vec<PathBuf>) {
    let version = match hierarchy {
        Hierarchy::Version2 { .. } => 2,
        Hierarchy::Version1 { .. } => 1,
    };
    (version, hierarchy.parents().into_iter().cloned().collect())
}

/// Two surveys of one host have groups of different names.
fn next_number() -> u64 {
    static SURVEYS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    SURVEYS.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}

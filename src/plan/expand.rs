//! From files to one decoded plan: variables, fragments and hops.
//!
//! A fragment is a file with variables of its own, which `with` sets; `${vars.x}` in it means those and never the plan's. Its
//! clusters, stores, phases, transforms and tests are merged key by key under the file that uses it, down to the fields of a phase: what the
//! using file has, wins; lists and texts are replaced whole; another kind of phase, store or authentication replaces the
//! fragment's. A path is relative to the file that it stands in. Deliberately absent: what names refer to (`resolve`).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use super::codes::language as code;
use super::decode::{Context, Decode, Named};
use super::diagnostics::Diagnostic;
use super::language::{EachHop, FragmentFile, HopGate, Phase, PlanFile, VarDecl};
use super::load::{Files, LoadOptions};
use super::location::{Location, Spanned};
use super::model::Hop;
use super::substitute::Scope;
use super::syntax::{self, Entry, Node, Style, Value};
use super::vars::{self, Given, Values};
use crate::base::Address;

/// How deep fragments may use fragments.
const USE_DEPTH_MAX: usize = 8;

/// A plan with everything merged, decoded and not yet resolved.
pub(crate) struct Expanded {
    pub(crate) plan: PlanFile,
    pub(crate) values: Values,
    /// Declared variables that the plan file doesn't use.
    pub(crate) unused_vars: Vec<Spanned<String>>,
    pub(crate) hops: Vec<ExpandedHop>,
}

/// One hop with the phases that its fragment gives.
pub(crate) struct ExpandedHop {
    pub(crate) hop: Hop,
    /// Where the cluster that it reads is named.
    pub(crate) from: Location,
    pub(crate) phases: Named<Phase>,
    pub(crate) gate: Option<HopGate>,
}

impl Expanded {
    /// The codes under `allow`.
    pub(crate) fn allowed(&self) -> BTreeSet<String> {
        self.plan
            .allow
            .iter()
            .flatten()
            .map(|code| code.value.clone())
            .collect()
    }
}

pub(crate) struct Expander<'a, 'f> {
    files: &'a mut Files<'f>,
    options: &'a LoadOptions,
    found: &'a mut Vec<Diagnostic>,
    parsed: HashMap<u32, Option<Node>>,
}

impl<'a, 'f> Expander<'a, 'f> {
    pub(crate) fn new(
        files: &'a mut Files<'f>,
        options: &'a LoadOptions,
        found: &'a mut Vec<Diagnostic>,
    ) -> Self {
        Self {
            files,
            options,
            found,
            parsed: HashMap::new(),
        }
    }

    fn cx(&mut self) -> Context<'_> {
        Context {
            diagnostics: self.found,
            directories: &self.files.directories,
        }
    }

    /// The tree of a file; told once when it has none.
    fn parse(&mut self, path: &Path, named_at: Option<Location>) -> Option<(u32, Node)> {
        let number = match self.files.read(path, named_at) {
            Ok(number) => number,
            Err(diagnostic) => {
                self.found.push(*diagnostic);
                return None;
            }
        };
        if let Some(parsed) = self.parsed.get(&number) {
            return parsed.clone().map(|node| (number, node));
        }
        let node = match syntax::parse(self.files.text(number), number) {
            Ok(node) => self.cx().entries(&node, "a map").is_some().then_some(node),
            Err(diagnostic) => {
                self.found.push(*diagnostic);
                None
            }
        };
        self.parsed.insert(number, node.clone());
        node.map(|node| (number, node))
    }

    /// Loads and decodes the plan file.
    pub(crate) fn plan(mut self, path: &Path) -> Option<Expanded> {
        let (number, mut node) = self.parse(path, None)?;
        let declared = self.declared(&node);
        let values = self.root_values(&declared);
        let unused_vars = {
            let text = self.files.text(number);
            declared
                .0
                .iter()
                .filter(|(name, _)| !text.contains(&format!("${{vars.{}}}", name.value)))
                .map(|(name, _)| name.clone())
                .collect()
        };
        let env = &self.options.env;
        let scope = Scope {
            vars: &values,
            env,
            hop: None,
        };
        let mut each_hop = None;
        let mut overrides = None;
        if let Value::Map(entries) = &mut node.value {
            for entry in entries.iter_mut() {
                match entry.key.as_str() {
                    "vars" => {}
                    // These know the hop, and are filled in for each.
                    "each-hop" => each_hop = Some(entry.value.clone()),
                    "hop-overrides" => overrides = Some(entry.value.clone()),
                    _ => scope.apply(&mut entry.value, self.found),
                }
            }
        }
        let hops = self.hops(&node);
        let shown = hops.first().map_or_else(
            || Hop {
                name: "a->b".to_owned(),
                from: "a".into(),
                to: "b".into(),
            },
            |(hop, _)| hop.clone(),
        );
        if let Value::Map(entries) = &mut node.value {
            let scope = Scope {
                hop: Some(&shown),
                ..scope
            };
            for entry in entries.iter_mut() {
                if ["each-hop", "hop-overrides"].contains(&entry.key.as_str()) {
                    scope.apply(&mut entry.value, self.found);
                }
            }
        }
        let mut stack = vec![number];
        if let Some(below) = self.used(&node, None, &mut stack) {
            node = merge(node, below, &mut Vec::new());
        }
        let plan = PlanFile::decode(&node, &mut self.cx())?;
        self.check_hop_words(&plan, &hops);
        let mut expanded_hops = Vec::new();
        if let Some(each_hop) = each_hop {
            let last = hops.len().saturating_sub(1);
            for (index, (hop, from)) in hops.into_iter().enumerate() {
                let scope = Scope {
                    vars: &values,
                    env: &self.options.env,
                    hop: Some(&hop),
                };
                let mut each_hop = each_hop.clone();
                scope.apply(&mut each_hop, self.found);
                let overrides = overrides.as_ref().and_then(|overrides| {
                    let mut overrides = overrides.entry(&hop.name)?.value.clone();
                    scope.apply(&mut overrides, self.found);
                    Some(overrides)
                });
                if let Some((phases, gate)) =
                    self.hop(&hop, &each_hop, overrides.as_ref(), &mut stack)
                {
                    expanded_hops.push(ExpandedHop {
                        hop,
                        from,
                        phases,
                        // The gate asks whether to go on, and after the last hop there is nowhere to go.
                        gate: gate.filter(|_| index < last),
                    });
                }
            }
        }
        Some(Expanded {
            plan,
            values,
            unused_vars,
            hops: expanded_hops,
        })
    }

    fn declared(&mut self, node: &Node) -> Named<VarDecl> {
        let mut cx = self.cx();
        let declared = node
            .entry("vars")
            .and_then(|entry| Named::<VarDecl>::decode(&entry.value, &mut cx))
            .unwrap_or_default();
        vars::check_bounds(&declared, &mut cx);
        declared
    }

    fn root_values(&mut self, declared: &Named<VarDecl>) -> Values {
        let mut from_cli = BTreeMap::new();
        for (name, value) in &self.options.vars {
            from_cli.insert(name.clone(), Given::text(value, "`--var`"));
        }
        let mut from_files = BTreeMap::new();
        for path in &self.options.var_files {
            let path = super::decode::normal(path);
            if let Some((_, node)) = self.parse(&path, None) {
                let source = format!("`{}`", path.display());
                from_files.extend(given(&node, &source, &mut self.cx()));
            }
        }
        let mut from_env = BTreeMap::new();
        for (name, _) in &declared.0 {
            let variable = vars::environment_name(&name.value);
            if let Some(value) = self.options.env.get(&variable) {
                from_env.insert(
                    name.value.clone(),
                    Given::text(value, &format!("`{variable}`")),
                );
            }
        }
        let mut cx = self.cx();
        vars::undeclared(declared, &from_cli, &mut cx);
        vars::undeclared(declared, &from_files, &mut cx);
        vars::values(
            declared,
            &[from_cli, from_files, from_env],
            |name| {
                format!(
                    "give it with `--var {name}=…`, in a `--var-file`, as {}, or add a `default`",
                    vars::environment_name(name)
                )
            },
            &mut cx,
        )
    }

    /// The fragment that a file uses, with that file's `with`.
    fn used(&mut self, node: &Node, hop: Option<&Hop>, stack: &mut Vec<u32>) -> Option<Node> {
        let Some(used) = node.entry("use") else {
            if let Some(with) = node.entry("with") {
                self.found.push(
                    Diagnostic::new(code::NO_MEANING_HERE, "`with` has no meaning without `use`")
                        .at(with.key_location)
                        .help("name the fragment: `use: FILE`"),
                );
            }
            return None;
        };
        let mut cx = self.cx();
        let path = super::scalars::FilePath::decode(&used.value, &mut cx)?;
        let with = node
            .entry("with")
            .map(|with| given(&with.value, "`with`", &mut cx))
            .unwrap_or_default();
        self.fragment(&path.path, path.location, with, hop, stack)
    }

    fn fragment(
        &mut self,
        path: &Path,
        named_at: Location,
        with: BTreeMap<String, Given>,
        hop: Option<&Hop>,
        stack: &mut Vec<u32>,
    ) -> Option<Node> {
        let (number, mut node) = self.parse(path, Some(named_at))?;
        if stack.contains(&number) {
            self.found.push(
                Diagnostic::new(
                    code::FRAGMENT_CYCLE,
                    format!(
                        "`{}` is being read already, so using it here never ends",
                        path.display()
                    ),
                )
                .at(named_at)
                .help("take this `use` out, or move what both files need to a third one"),
            );
            return None;
        }
        if stack.len() > USE_DEPTH_MAX {
            self.found.push(
                Diagnostic::new(
                    code::LIMIT,
                    format!("fragments use fragments more than {USE_DEPTH_MAX} levels deep"),
                )
                .at(named_at),
            );
            return None;
        }
        let declared = self.declared(&node);
        let mut cx = self.cx();
        // Decoding tells of unknown keys; the trees of the parts are decoded after merging.
        let known = FragmentFile::decode(&node, &mut cx);
        vars::undeclared(&declared, &with, &mut cx);
        let values = vars::values(
            &declared,
            &[with],
            |name| format!("give it where the fragment is used: `with: {{ {name}: … }}`"),
            &mut cx,
        );
        known?;
        let scope = Scope {
            vars: &values,
            env: &self.options.env,
            hop,
        };
        if let Value::Map(entries) = &mut node.value {
            for entry in entries.iter_mut().filter(|entry| entry.key != "vars") {
                scope.apply(&mut entry.value, self.found);
            }
        }
        stack.push(number);
        let below = self.used(&node, hop, stack);
        stack.pop();
        if let Value::Map(entries) = &mut node.value {
            let parts = ["clusters", "stores", "phases", "transforms", "tests"];
            entries.retain(|entry| parts.contains(&entry.key.as_str()));
        }
        Some(match below {
            Some(below) => merge(node, below, &mut Vec::new()),
            None => node,
        })
    }

    /// The pairs of neighbours under `hops`.
    fn hops(&mut self, node: &Node) -> Vec<(Hop, Location)> {
        let Some(entry) = node.entry("hops") else {
            return Vec::new();
        };
        let mut cx = self.cx();
        let Some(clusters) = Vec::<super::scalars::Reference>::decode(&entry.value, &mut cx) else {
            return Vec::new();
        };
        if clusters.len() < 2 {
            cx.push(
                Diagnostic::new(code::BAD_HOPS, "`hops` needs at least two clusters")
                    .at(entry.value.location)
                    .help("write them in order, such as `hops: [es56, os2]`"),
            );
        }
        for (index, cluster) in clusters.iter().enumerate() {
            if let Some(first) = clusters[..index]
                .iter()
                .find(|other| other.0.value == cluster.0.value)
            {
                cx.push(
                    Diagnostic::new(
                        code::BAD_HOPS,
                        format!("`{}` is on the way twice", cluster.0.value),
                    )
                    .at(cluster.0.location)
                    .related(first.0.location, "the first time")
                    .help("name each cluster once, from the oldest to the newest; a way back is a plan of its own"),
                );
                return Vec::new();
            }
        }
        clusters
            .windows(2)
            .map(|pair| {
                let (from, to) = (&pair[0].0, &pair[1].0);
                let hop = Hop {
                    name: format!("{}->{}", from.value, to.value),
                    from: Address::new(from.value.clone()),
                    to: Address::new(to.value.clone()),
                };
                (hop, from.location)
            })
            .collect()
    }

    fn check_hop_words(&mut self, plan: &PlanFile, hops: &[(Hop, Location)]) {
        let mut cx = self.cx();
        if let Some(written) = plan.hops.as_ref().and_then(|hops| hops.first())
            && plan.each_hop.is_none()
        {
            cx.push(
                Diagnostic::new(code::BAD_HOPS, "`hops` needs `each-hop`")
                    .at(written.0.location)
                    .help("add `each-hop: { use: FILE, with: { from: \"${hop.from}\", to: \"${hop.to}\" } }`"),
            );
        }
        if let (Some(each), None) = (&plan.each_hop, &plan.hops) {
            cx.push(
                Diagnostic::new(code::BAD_HOPS, "`each-hop` has no meaning without `hops`")
                    .at(super::decode::first_of(each.location))
                    .help("add `hops: [FROM, TO]`"),
            );
        }
        for (name, _) in plan.hop_overrides.iter().flat_map(|overrides| &overrides.0) {
            if !hops.iter().any(|(hop, _)| hop.name == name.value) {
                let names: Vec<&str> = hops.iter().map(|(hop, _)| hop.name.as_str()).collect();
                cx.push(
                    Diagnostic::new(code::BAD_HOPS, format!("there is no hop `{}`", name.value))
                        .at(name.location)
                        .help(
                            match super::diagnostics::did_you_mean(
                                &name.value,
                                names.iter().copied(),
                            ) {
                                Some(other) => format!("did you mean `{other}`?"),
                                None if hops.is_empty() => "the plan has no hops".to_owned(),
                                None => {
                                    format!("the hops are {}", super::diagnostics::one_of(names))
                                }
                            },
                        ),
                );
            }
        }
    }

    fn hop(
        &mut self,
        hop: &Hop,
        each_hop: &Node,
        overrides: Option<&Node>,
        stack: &mut Vec<u32>,
    ) -> Option<(Named<Phase>, Option<HopGate>)> {
        let mut ignored = Vec::new();
        let decoded = EachHop::decode(
            each_hop,
            &mut Context {
                // Told when the plan file was decoded.
                diagnostics: &mut ignored,
                directories: &self.files.directories,
            },
        )?;
        let node = self.used(each_hop, Some(hop), stack)?;
        for part in ["clusters", "stores", "transforms", "tests"] {
            if let Some(entry) = node.entry(part) {
                self.found.push(
                    Diagnostic::new(
                        code::NO_MEANING_HERE,
                        format!("a fragment for hops can't define `{part}`"),
                    )
                    .at(entry.key_location)
                    .help("define them in the plan, and give their names through `with`"),
                );
            }
        }
        let Some(phases) = node.entry("phases") else {
            self.found.push(
                Diagnostic::new(code::BAD_HOPS, "the fragment for hops has no `phases`").at(
                    each_hop
                        .entry("use")
                        .map_or(each_hop.location, |used| used.value.location),
                ),
            );
            return None;
        };
        let mut phases = phases.value.clone();
        if let Some(overrides) = overrides {
            self.override_phases(&mut phases, overrides);
        }
        let phases = Named::<Phase>::decode(&phases, &mut self.cx())?;
        Some((phases, decoded.gate))
    }

    /// Merges `{ phase: { field: value } }` over phases that are tagged with their kind.
    fn override_phases(&mut self, phases: &mut Node, overrides: &Node) {
        let (Value::Map(phases), Value::Map(overrides)) = (&mut phases.value, &overrides.value)
        else {
            return;
        };
        for change in overrides {
            let Some(phase) = phases.iter_mut().find(|phase| phase.key == change.key) else {
                let names: Vec<&str> = phases.iter().map(|phase| phase.key.as_str()).collect();
                self.found.push(
                    Diagnostic::new(
                        code::BAD_HOPS,
                        format!("the fragment has no phase `{}`", change.key),
                    )
                    .at(change.key_location)
                    .help(format!(
                        "its phases are {}",
                        super::diagnostics::one_of(names)
                    )),
                );
                continue;
            };
            if let Value::Map(kinds) = &mut phase.value.value
                && let [kind] = kinds.as_mut_slice()
            {
                let body = kind.value.clone();
                kind.value = merge(
                    change.value.clone(),
                    body,
                    &mut vec!["phases".into(), "*".into(), "*".into()],
                );
            }
        }
    }
}

/// The texts of a map of values, from `with` or a variable file.
fn given(node: &Node, source: &str, cx: &mut Context<'_>) -> BTreeMap<String, Given> {
    let mut values = BTreeMap::new();
    let Some(entries) = cx.entries(node, "a map of values") else {
        return values;
    };
    for entry in cx.unique(entries) {
        let Value::Scalar(scalar) = &entry.value.value else {
            cx.error(
                code::WRONG_TYPE,
                format!(
                    "expected a value for `{}`, found {}",
                    entry.key,
                    entry.value.kind()
                ),
                entry.value.location,
            );
            continue;
        };
        values.insert(
            entry.key.clone(),
            Given {
                value: scalar.text.clone(),
                poisoned: scalar.style == Style::Poisoned,
                source: source.to_owned(),
                location: Some(entry.key_location),
            },
        );
    }
    values
}

/// Puts `above` over `below`, key by key.
fn merge(above: Node, below: Node, path: &mut Vec<String>) -> Node {
    let location = above.location;
    match (above.value, below.value) {
        (Value::Map(mut above), Value::Map(below)) => {
            if !replaces(path, &above, &below) {
                for entry in below {
                    match above.iter().position(|own| own.key == entry.key) {
                        None => above.push(entry),
                        Some(at) => {
                            path.push(entry.key.clone());
                            let own = std::mem::replace(
                                &mut above[at].value,
                                Node {
                                    value: Value::Null,
                                    location,
                                },
                            );
                            above[at].value = merge(own, entry.value, path);
                            path.pop();
                        }
                    }
                }
            }
            Node::map(above, location)
        }
        (value, _) => Node { value, location },
    }
}

/// Whether two maps are alternatives, so that the upper one replaces the lower one whole.
fn replaces(path: &[String], above: &[Entry], below: &[Entry]) -> bool {
    let has = |entries: &[Entry], key: &str| entries.iter().any(|entry| entry.key == key);
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match path.as_slice() {
        ["clusters", _] => {
            (has(above, "endpoint") && has(below, "directory"))
                || (has(above, "directory") && has(below, "endpoint"))
        }
        ["stores", _] => {
            (has(above, "s3") && has(below, "directory"))
                || (has(above, "directory") && has(below, "s3"))
        }
        ["phases" | "tests", _]
        | ["clusters", _, "auth"]
        | [
            "clusters",
            _,
            "auth" | "tls",
            ..,
            "password" | "api-key" | "key",
        ] => !above.iter().any(|entry| has(below, &entry.key)),
        _ => false,
    }
}

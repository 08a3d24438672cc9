//! Profiles of AWS's own files: keys, and roles that are assumed with the keys of another. Pure but
//! for the reading of the two files.
//!
//! `config` and `credentials` are read as AWS's tools do it; what `credentials` says of a profile is
//! stronger. Programs that would give keys, single sign-on and devices of a second factor are not
//! for a service, and are told so.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mcp_protocol::secret::Secret;

use super::Platform;

/// The most profiles that one leads to another.
const STEPS_MAX: usize = 8;
/// Ways to keys that a service does not go.
const UNFIT: [(&str, &str); 5] = [
    ("mfa_serial", "asks a person for a code"),
    ("credential_process", "runs a program"),
    ("sso_session", "asks a person to log in"),
    ("sso_start_url", "asks a person to log in"),
    ("login_session", "asks a person to log in"),
];

/// All profiles, each with what both files say of it.
#[derive(Debug, Default)]
pub(super) struct Profiles(BTreeMap<String, BTreeMap<String, Secret>>);

/// A role that is assumed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Role {
    pub(super) arn: String,
    pub(super) session: Option<String>,
    pub(super) external_id: Option<String>,
}

/// Where the first keys of a profile come from.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Keys { id: String, secret: Secret, session: Option<Secret> },
    WebIdentity { role: Role, token_file: PathBuf },
    Variables,
    Container,
    Machine,
}

/// How a profile comes to its keys: where the first ones are, then the roles, one with the other.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) origin: Origin,
    pub(super) roles: Vec<Role>,
    pub(super) region: Option<String>,
}

impl Profiles {
    /// Those of this machine; none when there are no files.
    pub(super) fn read(platform: &Platform) -> Result<Profiles, String> {
        let text = |name| platform.variable(name).map(Secret::expose);
        let place = |variable, file: &str| {
            let own = || Some(Path::new(text("HOME")?).join(".aws").join(file));
            text(variable).map(PathBuf::from).or_else(own)
        };
        let mut profiles = Profiles::default();
        if let Some(file) = place("AWS_CONFIG_FILE", "config") {
            profiles.add(&contents(&file)?, |section| {
                match section.split_once(char::is_whitespace) {
                    Some(("profile", name)) => Some(name.trim().to_owned()),
                    None if section == "default" => Some(section.to_owned()),
                    Some(_) | None => None,
                }
            });
        }
        if let Some(file) = place("AWS_SHARED_CREDENTIALS_FILE", "credentials") {
            profiles.add(&contents(&file)?, |section| Some(section.to_owned()));
        }
        Ok(profiles)
    }

    /// Takes in what stands in a file; `named` tells which profile a section is of.
    fn add(&mut self, text: &Secret, named: impl Fn(&str) -> Option<String>) {
        let mut current = None;
        for line in text.expose().lines() {
            let is_nested = line.starts_with(char::is_whitespace);
            let line = line.trim();
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            if let Some(section) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
                current = named(section.trim());
                if let Some(name) = &current {
                    self.0.entry(name.clone()).or_default();
                }
                continue;
            }
            let pair = line.split_once('=').filter(|_| !is_nested);
            if let (Some(name), Some((key, value))) = (&current, pair) {
                let value = value.split(" #").next().unwrap_or_default().trim();
                let value = Secret::new(value.to_owned());
                let profile = self.0.entry(name.clone()).or_default();
                profile.insert(key.trim().to_ascii_lowercase(), value);
            }
        }
    }

    /// The way of a profile; `None` when nobody asked for it by name and there is none.
    pub(super) fn way(&self, named: Option<&str>) -> Result<Option<Way>, String> {
        let mut name = named.unwrap_or("default").to_owned();
        let told = |name: &str, words: &str| Err(format!("the profile {name} of AWS {words}"));
        let Some(first) = self.0.get(&name) else {
            return match named {
                Some(name) => told(name, "is in neither of AWS's files; write AWS_PROFILE as one"),
                None => Ok(None),
            };
        };
        let region = value(first, "region").map(str::to_owned);
        let mut roles = Vec::new();
        for _ in 0..STEPS_MAX {
            let Some(profile) = self.0.get(&name) else {
                return told(&name, "is named as a source and is not there");
            };
            if let Some((_, why)) = UNFIT.iter().find(|(key, _)| profile.contains_key(*key)) {
                return told(
                    &name,
                    &format!("{why}, which is nothing for a service; give the workload a role"),
                );
            }
            let role = value(profile, "role_arn").map(|arn| role(profile, arn));
            let next = value(profile, "source_profile").filter(|next| *next != name);
            let origin = match (role, next) {
                (None, _) => keys(profile),
                (Some(role), Some(next)) => {
                    roles.push(role);
                    name = next.to_owned();
                    continue;
                }
                (Some(role), None) => origin(profile, role, &mut roles),
            };
            roles.reverse();
            return match origin {
                Some(origin) => Ok(Some(Way { origin, roles, region })),
                None if named.is_none() && roles.is_empty() => Ok(None),
                None => told(&name, "has no keys, and no role with a source that is known here"),
            };
        }
        told(&name, "leads to another and never to keys; break the circle of source_profile")
    }
}

fn contents(file: &Path) -> Result<Secret, String> {
    match std::fs::read_to_string(file) {
        Ok(text) => Ok(Secret::new(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Ok(Secret::new(String::new()))
        }
        Err(error) => Err(format!("cannot read {}: {error}", file.display())),
    }
}

fn value<'a>(profile: &'a BTreeMap<String, Secret>, key: &str) -> Option<&'a str> {
    profile.get(key).map(Secret::expose).filter(|value| !value.is_empty())
}

fn role(profile: &BTreeMap<String, Secret>, arn: &str) -> Role {
    let text = |key| value(profile, key).map(str::to_owned);
    Role {
        arn: arn.to_owned(),
        session: text("role_session_name"),
        external_id: text("external_id"),
    }
}

fn keys(profile: &BTreeMap<String, Secret>) -> Option<Origin> {
    let secret = |key| profile.get(key).filter(|value| !value.expose().is_empty()).cloned();
    Some(Origin::Keys {
        id: value(profile, "aws_access_key_id")?.to_owned(),
        secret: secret("aws_secret_access_key")?,
        session: secret("aws_session_token"),
    })
}

/// The keys with which a role without another profile is assumed.
fn origin(profile: &BTreeMap<String, Secret>, role: Role, roles: &mut Vec<Role>) -> Option<Origin> {
    if let Some(file) = value(profile, "web_identity_token_file") {
        return Some(Origin::WebIdentity { role, token_file: PathBuf::from(file) });
    }
    let source = value(profile, "credential_source").map(str::to_ascii_lowercase);
    let origin = match source.as_deref() {
        Some("environment") => Origin::Variables,
        Some("ecscontainer") => Origin::Container,
        Some("ec2instancemetadata") => Origin::Machine,
        Some(_) => return None,
        // The profile is its own source.
        None => keys(profile)?,
    };
    roles.push(role);
    Some(origin)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profiles(config: &str, credentials: &str) -> Profiles {
        let mut profiles = Profiles::default();
        profiles.add(&Secret::new(config.to_owned()), |section| {
            section
                .strip_prefix("profile ")
                .or(Some(section).filter(|it| *it == "default"))
                .map(str::to_owned)
        });
        profiles.add(&Secret::new(credentials.to_owned()), |section| Some(section.to_owned()));
        profiles
    }

    const KEYS: &str = "[base]\naws_access_key_id = AKIDBASE\naws_secret_access_key = canary=x\n";

    #[test]
    fn roles_are_assumed_from_the_first_keys_on() {
        let config = "# a comment\n[profile inner]\nrole_arn = arn:inner\nsource_profile = base\n\
                      [profile outer]\nrole_arn = arn:outer # it\nsource_profile=inner\n\
                      external_id = e\nrole_session_name = s\nregion = eu-west-1\ns3 =\n  role_arn = no\n";
        let way = profiles(config, KEYS).way(Some("outer")).unwrap().unwrap();
        let arns: Vec<&str> = way.roles.iter().map(|role| role.arn.as_str()).collect();
        assert_eq!(
            (arns, way.region.as_deref()),
            (vec!["arn:inner", "arn:outer"], Some("eu-west-1"))
        );
        let outer = &way.roles[1];
        assert_eq!(
            (outer.external_id.as_deref(), outer.session.as_deref()),
            (Some("e"), Some("s"))
        );
        let Origin::Keys { id, secret, session: None } = way.origin else { panic!() };
        assert_eq!((id.as_str(), secret.expose()), ("AKIDBASE", "canary=x"));
    }

    #[test]
    fn each_source_of_a_role_is_known_and_others_are_told() {
        let way = |config: &str| profiles(config, KEYS).way(Some("p"));
        let of = |more: &str| way(&format!("[profile p]\nrole_arn = arn:r\n{more}\n"));
        for (source, expected) in [
            ("Environment", Origin::Variables),
            ("EcsContainer", Origin::Container),
            ("Ec2InstanceMetadata", Origin::Machine),
        ] {
            let found = of(&format!("credential_source = {source}")).unwrap().unwrap();
            assert_eq!((found.origin, found.roles.len()), (expected, 1));
        }
        let found = of("web_identity_token_file = /t").unwrap().unwrap();
        let Origin::WebIdentity { role, token_file } = found.origin else { panic!() };
        assert_eq!((role.arn.as_str(), token_file.as_path()), ("arn:r", Path::new("/t")));
        assert!(found.roles.is_empty());
        let own = "aws_access_key_id = A\naws_secret_access_key = canary\nsource_profile = p";
        assert!(matches!(of(own).unwrap().unwrap().origin, Origin::Keys { .. }));
        for (more, words) in [
            ("source_profile = gone", "is named as a source and is not there"),
            ("credential_source = Moon", "no role with a source that is known"),
            ("", "no role with a source that is known"),
            ("source_profile = base\nmfa_serial = x", "asks a person for a code"),
            ("credential_process = cat canary", "runs a program"),
            ("sso_session = x", "asks a person to log in"),
        ] {
            let why = of(more).unwrap_err();
            assert!(why.contains(words) && !why.contains("canary"), "{more}: {why}");
        }
        let circle = "[profile p]\nrole_arn = a\nsource_profile = q\n[profile q]\nrole_arn = b\nsource_profile = p\n";
        assert!(way(circle).unwrap_err().contains("break the circle"));
    }

    #[test]
    fn a_profile_that_nobody_named_is_no_need() {
        assert_eq!(profiles("", "").way(None), Ok(None));
        assert_eq!(profiles("[default]\nregion = x\n", "").way(None), Ok(None));
        assert!(profiles("", "").way(Some("p")).unwrap_err().contains("AWS_PROFILE"));
        let keys = KEYS.replace("base", "default");
        let config = "[default]\naws_access_key_id = WEAKER\nregion = r\n";
        let way = profiles(config, &keys).way(None).unwrap().unwrap();
        assert!(matches!(&way.origin, Origin::Keys { id, .. } if id == "AKIDBASE"), "{way:?}");
        assert_eq!(way.region.as_deref(), Some("r"));
    }
}

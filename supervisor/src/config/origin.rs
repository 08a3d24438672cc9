//! Where a value came from, in the operator's words: the file, a preset, a variable, `--set`.
//!
//! A problem names it, so that one mends the right place, and `config show --origin` prints it.

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// The configuration file; the value's place says where.
    File,
    /// A text of the configuration file, with the values of these variables in it.
    Filled(Vec<Variable>),
    /// What an environment of this name has unless something else is written.
    Preset(&'static str),
    /// A variable that stands for a key.
    Variable(Variable),
    /// `--set`.
    CommandLine,
}

/// A variable, and who set it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Variable {
    pub(super) name: String,
    pub(super) source: Source,
}

/// Who set a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// The environment of the process.
    Process,
    /// A line of a file such as `.env.production`.
    File { name: String, line: usize },
}

impl Origin {
    /// What is to blame besides a place in the configuration file, as in `from WORKERS in .env,
    /// line 3`; `None` when that place says it all.
    pub(super) fn in_words(&self) -> Option<String> {
        match self {
            Origin::File => None,
            Origin::Filled(variables) if variables.is_empty() => None,
            Origin::Filled(variables) => {
                let words: Vec<String> = variables.iter().map(Variable::in_words).collect();
                Some(words.join(" and "))
            }
            Origin::Preset(environment) => Some(format!("the preset of {environment}")),
            Origin::Variable(variable) => Some(variable.in_words()),
            Origin::CommandLine => Some("--set".to_owned()),
        }
    }

    /// Whether the value stands in the configuration file, so that its place can be shown.
    pub(super) fn is_in_file(&self) -> bool {
        match self {
            Origin::File | Origin::Filled(_) => true,
            Origin::Preset(_) | Origin::Variable(_) | Origin::CommandLine => false,
        }
    }
}

impl Variable {
    pub(super) fn in_words(&self) -> String {
        match &self.source {
            Source::Process => format!("{} in the environment", self.name),
            Source::File { name, line } => format!("{} in {name}, line {line}", self.name),
        }
    }
}

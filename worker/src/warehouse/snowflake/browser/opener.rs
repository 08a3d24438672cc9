//! Opens a page on the screen of the one who typed the command.
//!
//! `BROWSER` names programs as other tools understand it: separated by colons, the first that
//! starts counts, `%s` stands for the page. Without it the desktop's own way is taken, if there is
//! a screen at all.

use std::process::{Command, Stdio};

/// What can show a page here.
#[derive(Debug, Clone, Default)]
pub struct Screen {
    /// Programs, the first to be tried first.
    programs: Vec<String>,
}

impl Screen {
    /// One on which nothing is opened.
    #[must_use]
    pub fn none() -> Screen {
        Screen::default()
    }

    /// What `BROWSER` says, else what this desktop has.
    #[must_use]
    pub fn new(browser: Option<&str>, has_display: bool) -> Screen {
        let programs: Vec<&str> = match browser {
            Some(browser) => browser.split(':').collect(),
            None if cfg!(target_os = "macos") => vec!["open"],
            None if has_display => vec!["xdg-open"],
            None => Vec::new(),
        };
        let programs = programs.into_iter().filter(|program| !program.trim().is_empty());
        Screen { programs: programs.map(str::to_owned).collect() }
    }

    /// Opens a page; the program that was started, or `None` when there is none.
    #[must_use]
    pub fn open(&self, address: &str) -> Option<String> {
        self.programs.iter().find_map(|program| start(program, address))
    }
}

fn start(program: &str, address: &str) -> Option<String> {
    let mut words: Vec<String> = program.split_whitespace().map(str::to_owned).collect();
    words.retain(|word| word != "&");
    if program.contains("%s") {
        for word in &mut words {
            *word = word.replace("%s", address);
        }
    } else {
        words.push(address.to_owned());
    }
    let (name, arguments) = words.split_first()?;
    #[expect(clippy::disallowed_methods, reason = "the one place where a browser is started")]
    let mut command = Command::new(name);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().ok()?;
    let name = name.clone();
    // Nobody else waits for it, and it may outlive us.
    std::thread::spawn(move || child.wait());
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_variable_names_comes_before_the_desktop_s_own_way() {
        let programs = |browser, display| Screen::new(browser, display).programs;
        assert_eq!(programs(Some("firefox:lynx %s"), false), ["firefox", "lynx %s"]);
        assert_eq!(programs(Some(""), true), [""; 0]);
        if !cfg!(target_os = "macos") {
            assert_eq!(programs(None, true), ["xdg-open"]);
            assert_eq!(programs(None, false), [""; 0]);
        }
        assert_eq!(Screen::none().open("https://a"), None);
        let absent = Screen::new(Some("/is/not/there:true"), false);
        assert_eq!(absent.open("https://a").as_deref(), Some("true"));
    }
}

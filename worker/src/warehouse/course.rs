//! How far a statement has come, told while it is on its way.
//!
//! The pool and the session tell, whoever asked may look; nobody waits for anybody, and a statement
//! that nobody follows tells nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;

/// How far a statement has come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Stage {
    /// Nothing was asked of the warehouse yet.
    #[default]
    Before,
    /// All sessions are busy, or one is being opened.
    Waiting,
    /// A session has it.
    Running {
        /// The warehouse's name for the execution, once it is known.
        query_id: Option<String>,
    },
    /// It ended, one way or the other.
    Ended,
}

/// Where a statement's way is told.
#[derive(Debug, Clone, Default)]
pub struct Course {
    told: Option<Arc<watch::Sender<Stage>>>,
    spent: Option<Arc<Spent>>,
}

/// What the time of a call goes into, as far as the warehouse is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Waiting for a session.
    Wait,
    /// The statement, until its answer begins.
    Statement,
    /// The parts of a long answer.
    Fetch,
}

/// How long the parts of a call took, all its statements together.
#[derive(Debug, Default)]
pub struct Spent {
    wait: AtomicU64,
    statement: AtomicU64,
    fetch: AtomicU64,
}

impl Spent {
    /// How long a part took so far.
    #[must_use]
    pub fn on(&self, part: Part) -> Duration {
        Duration::from_micros(self.micros(part).load(Ordering::Relaxed))
    }

    fn micros(&self, part: Part) -> &AtomicU64 {
        match part {
            Part::Wait => &self.wait,
            Part::Statement => &self.statement,
            Part::Fetch => &self.fetch,
        }
    }
}

impl Course {
    /// A course that is followed.
    #[must_use]
    pub fn followed() -> (Course, watch::Receiver<Stage>) {
        let (told, stage) = watch::channel(Stage::Before);
        (Course { told: Some(Arc::new(told)), spent: None }, stage)
    }

    /// The same course, followed by one more.
    #[must_use]
    pub fn watched(self) -> (Course, watch::Receiver<Stage>) {
        match &self.told {
            Some(told) => {
                let stage = told.subscribe();
                (self, stage)
            }
            None => {
                let (course, stage) = Course::followed();
                (Course { spent: self.spent, ..course }, stage)
            }
        }
    }

    /// How far the statement is, to be followed; nothing, where nobody follows it.
    #[must_use]
    pub fn stage(&self) -> Option<watch::Receiver<Stage>> {
        self.told.as_ref().map(|told| told.subscribe())
    }

    /// The same course, whose time is kept here.
    #[must_use]
    pub fn timed(self, spent: Arc<Spent>) -> Course {
        Course { spent: Some(spent), ..self }
    }

    /// A part of the way took so long.
    pub fn spent(&self, part: Part, time: Duration) {
        if let Some(spent) = &self.spent {
            let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
            spent.micros(part).fetch_add(micros, Ordering::Relaxed);
        }
    }

    /// How long a part took so far; nothing where nobody keeps time.
    #[must_use]
    pub fn time(&self, part: Part) -> Duration {
        self.spent.as_ref().map_or(Duration::ZERO, |spent| spent.on(part))
    }

    /// Tells how far the statement is.
    pub fn tell(&self, stage: Stage) {
        if let Some(told) = &self.told {
            told.send_replace(stage);
        }
    }

    /// Tells under which name the warehouse runs it.
    pub fn named(&self, query_id: &str) {
        if self.told.is_some() {
            self.tell(Stage::Running { query_id: Some(query_id.to_owned()) });
        }
    }
}

/// Who follows it makes no difference to a statement.
impl PartialEq for Course {
    fn eq(&self, _other: &Course) -> bool {
        true
    }
}

impl Eq for Course {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_course_tells_whoever_follows_and_is_silent_otherwise() {
        let (course, stage) = Course::followed();
        course.tell(Stage::Waiting);
        assert_eq!(*stage.borrow(), Stage::Waiting);
        course.named("01b2");
        assert_eq!(*stage.borrow(), Stage::Running { query_id: Some("01b2".to_owned()) });
        Course::default().named("01b2");
        assert_eq!(Course::default(), course);
    }
}

//! How far a statement has come, told while it is on its way.
//!
//! The pool and the session tell, whoever asked may look; nobody waits for anybody, and a statement
//! that nobody follows tells nothing.

use std::sync::Arc;

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
pub struct Course(Option<Arc<watch::Sender<Stage>>>);

impl Course {
    /// A course that is followed.
    #[must_use]
    pub fn followed() -> (Course, watch::Receiver<Stage>) {
        let (told, stage) = watch::channel(Stage::Before);
        (Course(Some(Arc::new(told))), stage)
    }

    /// The same course, followed by one more.
    #[must_use]
    pub fn watched(self) -> (Course, watch::Receiver<Stage>) {
        match &self.0 {
            Some(told) => {
                let stage = told.subscribe();
                (self, stage)
            }
            None => Course::followed(),
        }
    }

    /// How far the statement is, to be followed; nothing, where nobody follows it.
    #[must_use]
    pub fn stage(&self) -> Option<watch::Receiver<Stage>> {
        self.0.as_ref().map(|told| told.subscribe())
    }

    /// Tells how far the statement is.
    pub fn tell(&self, stage: Stage) {
        if let Some(told) = &self.0 {
            told.send_replace(stage);
        }
    }

    /// Tells under which name the warehouse runs it.
    pub fn named(&self, query_id: &str) {
        if self.0.is_some() {
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

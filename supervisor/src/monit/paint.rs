//! What each kind of words looks like, with colours and without (`NO_COLOR`).

use mcp_protocol::control::SlotPhase;
use ratatui::style::{Color, Modifier, Style};

use crate::report::Colour;

/// Styles by meaning; a style without colours still shows what needs a person.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paint(pub(super) Colour);

impl Paint {
    pub(super) fn plain(self) -> Style {
        Style::new()
    }

    pub(super) fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    pub(super) fn dim(self) -> Style {
        self.coloured(Color::DarkGray)
    }

    pub(super) fn chosen(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    pub(super) fn alarm(self) -> Style {
        self.coloured(Color::Red).add_modifier(Modifier::BOLD)
    }

    /// A sparkline.
    pub(super) fn line(self) -> Style {
        self.coloured(Color::Cyan)
    }

    /// The same colours as in the table of `status`.
    pub(super) fn phase(self, phase: SlotPhase) -> Style {
        self.coloured(match phase {
            SlotPhase::Ready => Color::Green,
            SlotPhase::Failed => Color::Red,
            SlotPhase::Backoff | SlotPhase::Killing => Color::Yellow,
            SlotPhase::Starting | SlotPhase::Draining => Color::Cyan,
            SlotPhase::Stopped => Color::DarkGray,
        })
    }

    fn coloured(self, colour: Color) -> Style {
        match self.0 {
            Colour::Shown => Style::new().fg(colour),
            Colour::Plain => Style::new(),
        }
    }
}

//! Single slips in keys, tables, words, numbers and punctuation: all refused, nearly all understood.

use super::Workplace;

/// Slips as people make them: `##### the hint that is right`, then the file.
const TYPOS: &str = include_str!("typos.txt");
/// So many of them get the right hint. More is better; fewer is a step back.
const UNDERSTOOD: usize = 308;

#[test]
fn each_slip_is_refused_and_nearly_all_get_the_right_hint() {
    let workplace = Workplace::new();
    let cases: Vec<(&str, &str)> =
        TYPOS.split("##### ").skip(1).map(|case| case.split_once('\n').unwrap()).collect();
    assert!(cases.len() >= 200, "{}", cases.len());
    let mut missed = Vec::new();
    for (hint, text) in &cases {
        let shown = workplace.problems(text, None);
        assert!(shown.contains("DIR/ecosystem.toml:"), "no place: {text}{shown}");
        if !shown.contains(hint) {
            missed.push(format!("{hint}\n{text}{shown}\n"));
        }
    }
    let understood = cases.len() - missed.len();
    assert!(
        understood >= UNDERSTOOD && understood * 10 >= cases.len() * 9,
        "{understood} of {} understood, not:\n{}",
        cases.len(),
        missed.join("\n")
    );
    assert_eq!(
        understood,
        UNDERSTOOD,
        "better: say so above. Not understood:\n{}",
        missed.join("\n")
    );
}

//! A conversation about a photograph, and how well a text describes it.

use eframe::egui::{Button, Key, RichText, TextEdit, Ui};
use medley::Match;
use medley::pipeline::Answer;

use super::{Abilities, title};
use crate::app::action::Action;
use crate::app::theme::palette;
use crate::app::words::{percent, reason, say, say_with};
use crate::app::work::post::Asked;
use crate::engine::{Pending, Reply};

/// What is offered to ask, before anything was asked.
const SUGGESTED: [&str; 3] = ["ask-suggestion-1", "ask-suggestion-2", "ask-suggestion-3"];

enum Answered {
    Writing(String),
    Answers(Vec<Answer>),
    Failed(String),
}

/// Questions and answers about one photograph.
#[derive(Default)]
pub struct Talk {
    turns: Vec<(String, Answered)>,
    question: String,
    answering: Option<Pending>,
    text: String,
    matching: Option<Pending>,
    matched: Option<(String, Result<Match, String>)>,
}

impl Talk {
    /// Forgets what was said: another photograph is meant. What is half typed stays.
    pub fn forget(&mut self) {
        self.turns.clear();
        self.answering = None;
        self.matching = None;
        self.matched = None;
    }

    /// Waits for the model.
    pub fn await_reply(&mut self, asked: Asked, pending: Result<Pending, String>) {
        match (asked, pending) {
            (Asked::Match, Ok(pending)) => self.matching = Some(pending),
            (Asked::Match, Err(error)) => self.matched = Some((self.text.clone(), Err(error))),
            (_, Ok(pending)) => self.answering = Some(pending),
            (_, Err(error)) => self.answer(Answered::Failed(error)),
        }
    }

    /// Reads what the model has replied.
    pub fn poll(&mut self) {
        while let Some(reply) = self.answering.as_ref().and_then(Pending::poll) {
            match reply {
                Reply::Text(text) => self.answer(Answered::Writing(text)),
                Reply::Answers(answers) => self.answer(Answered::Answers(answers)),
                Reply::Failed(error) => self.answer(Answered::Failed(reason(&error))),
                _ => {}
            }
            if !matches!(self.turns.last(), Some((_, Answered::Writing(_)))) {
                self.answering = None;
            }
        }
        if let Some(reply) = self.matching.as_ref().and_then(Pending::poll) {
            self.matching = None;
            self.matched = match reply {
                Reply::Match(matched) => Some((self.text.clone(), Ok(matched))),
                Reply::Failed(error) => Some((self.text.clone(), Err(reason(&error)))),
                _ => None,
            };
        }
    }

    /// Draws it.
    pub fn ui(&mut self, ui: &mut Ui, abilities: Abilities) -> Option<Action> {
        let mut action = None;
        if abilities.can_answer {
            title(ui, &say("ask"));
            action = self.conversation(ui);
        }
        if abilities.can_match {
            title(ui, &say("match"));
            action = self.match_a_text(ui).or(action);
        }
        action
    }

    fn conversation(&mut self, ui: &mut Ui) -> Option<Action> {
        let mut asked = None;
        let colors = palette(ui);
        for (question, answered) in &self.turns {
            ui.label(RichText::new(question).color(colors.weak));
            match answered {
                Answered::Writing(text) => ui.label(format!("{text} …")),
                Answered::Failed(error) => ui.label(RichText::new(error).color(colors.error)),
                Answered::Answers(answers) => {
                    let best = answers.first().map_or_else(String::new, |answer| answer.text.clone());
                    let response = ui.label(RichText::new(best).size(15.0));
                    response.on_hover_ui(|ui| {
                        for answer in answers {
                            ui.label(format!("{}  {}", answer.text, percent(answer.confidence)));
                        }
                    })
                }
            };
            ui.add_space(4.0);
        }
        if self.turns.is_empty() {
            ui.horizontal_wrapped(|ui| {
                for name in SUGGESTED {
                    if ui.add(Button::new(RichText::new(say(name)).size(12.5)).corner_radius(12)).clicked() {
                        asked = Some(say(name));
                    }
                }
            });
        }
        let field = TextEdit::singleline(&mut self.question).hint_text(say("ask-hint")).desired_width(f32::INFINITY);
        let field = ui.add(field).accessible_name(say("ask"));
        if field.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter)) && !self.question.trim().is_empty() {
            asked = Some(std::mem::take(&mut self.question).trim().to_owned());
            field.request_focus();
        }
        let question = asked?;
        self.turns.push((question.clone(), Answered::Writing(String::new())));
        Some(Action::Ask(question))
    }

    fn match_a_text(&mut self, ui: &mut Ui) -> Option<Action> {
        let mut action = None;
        let field = TextEdit::singleline(&mut self.text).hint_text(say("match-hint")).desired_width(f32::INFINITY);
        let field = ui.add(field).accessible_name(say("match"));
        if field.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter)) && !self.text.trim().is_empty() {
            action = Some(Action::Match(self.text.trim().to_owned()));
            field.request_focus();
        }
        let colors = palette(ui);
        if self.matching.is_some() {
            ui.label(RichText::new("…").color(colors.weak));
        } else if let Some((text, matched)) = self.matched.as_ref().filter(|(text, _)| *text == self.text) {
            match matched {
                Ok(matched) => {
                    let words = if matched.probability >= 0.5 { "match-yes" } else { "match-no" };
                    let shown = say_with(words, &[("percent", percent(matched.probability).into())]);
                    let similarity = format!("{:.2}", matched.similarity);
                    let hint = say_with(
                        "match-similarity",
                        &[("text", text.as_str().into()), ("similarity", similarity.into())],
                    );
                    ui.label(shown).on_hover_text(hint);
                }
                Err(error) => {
                    ui.label(RichText::new(error).color(colors.error));
                }
            }
        }
        action
    }

    fn answer(&mut self, answered: Answered) {
        if let Some((_, last)) = self.turns.last_mut() {
            *last = answered;
        }
    }
}

//! Bad days with a name. A scenario is nothing but operations of the control side in order, so that whoever wants
//! another begins with these.

use serde::Serialize;
use serde_json::{Value, json};

use super::Control;
use super::operations::{Trouble, perform};
use crate::error::ControlError;

/// People who come in `busy_server`.
const VISITORS: usize = 25;
/// What each of them says there.
const WORDS: usize = 4;

/// One scenario that can be ordered by name.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Scenario {
    /// Its name, e.g. `outage`.
    pub name: &'static str,
    /// What a bot goes through.
    pub summary: &'static str,
    /// What is done for it, in order.
    pub steps: Vec<Step>,
}

/// One operation of a scenario.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    /// The operation's name.
    pub operation: &'static str,
    /// Its fields.
    pub fields: Value,
}

fn step(operation: &'static str, fields: Value) -> Step {
    Step { operation, fields }
}

/// Every scenario, by name.
fn all() -> Vec<Scenario> {
    let messages = "/channels/*/messages";
    let limit = |scope: &str, wait: f64| json!({"kind": "rate_limit", "retry_after": wait, "scope": scope});
    vec![
        Scenario {
            name: "busy_server",
            summary: "25 people join the first server and say four things each, as fast as they can",
            steps: busy(),
        },
        Scenario {
            name: "dropped_events",
            summary: "of the next messages one is lost, one comes twice, and one changes places with the one after",
            steps: ["drop", "duplicate", "reorder"]
                .into_iter()
                .map(|fault| step("dispatch_fault", json!({"event": "MESSAGE_CREATE", "fault": fault})))
                .collect(),
        },
        Scenario {
            name: "flaky_rest",
            summary: "two requests fail with 503, a message is posted but its answer is lost, two answers come late, one \
                      request fails with 500",
            steps: vec![
                step("fault", json!({"times": 2, "fault": {"kind": "status", "status": 503}})),
                step(
                    "fault",
                    json!({"method": "POST", "route": messages, "fault": {"kind": "applied_but", "status": 502}}),
                ),
                step("fault", json!({"times": 2, "fault": {"kind": "delay", "milliseconds": 1000}})),
                step("fault", json!({"fault": {"kind": "status", "status": 500}})),
            ],
        },
        Scenario {
            name: "lost_session",
            summary: "the session is invalid and cannot be resumed: the bot has to begin a new one",
            steps: vec![step("invalidate_session", json!({"resumable": false}))],
        },
        Scenario {
            name: "outage",
            summary: "every connection is cut, the next three are refused, and the next ten requests fail with 503",
            steps: vec![
                step("fault", json!({"times": 10, "fault": {"kind": "status", "status": 503}})),
                step("refuse_connections", json!({"times": 3})),
                step("drop_connection", json!({"code": null})),
            ],
        },
        Scenario {
            name: "rate_limited",
            summary: "the next three messages are refused with 429 (user, user, shared), and everything with a global 429 \
                      for two seconds",
            steps: vec![
                step(
                    "fault",
                    json!({"method": "POST", "route": messages, "times": 2, "fault": limit("user", 0.5)}),
                ),
                step("fault", json!({"method": "POST", "route": messages, "fault": limit("shared", 0.5)})),
                step("global_rate_limit", json!({"seconds": 2.0})),
            ],
        },
        Scenario {
            name: "resume_storm",
            summary: "the line is cut, and again each of the next four times the bot has resumed",
            steps: vec![
                step("cut_resumed", json!({"times": 4})),
                step("drop_connection", json!({"code": null})),
            ],
        },
        Scenario {
            name: "wrong_clock",
            summary: "Discord's clock is 90 seconds behind",
            steps: vec![step("clock_skew", json!({"seconds": -90}))],
        },
    ]
}

fn busy() -> Vec<Step> {
    let names = || (1..=VISITORS).map(|number| format!("visitor-{number:02}"));
    let joins = names().map(|name| step("join", json!({"name": name})));
    let says = (1..=WORDS).flat_map(|word| {
        names()
            .map(move |name| step("say", json!({"as": name, "content": format!("message {word} of {name}")})))
    });
    joins.chain(says).collect()
}

impl Control {
    /// The scenarios there are, with what they consist of.
    pub fn scenarios(&self) -> Vec<Scenario> {
        all()
    }

    /// Orders a scenario: does its steps, and gives it back.
    ///
    /// # Errors
    /// When none has that name, or a step cannot be done; those before it are done then.
    pub fn scenario(&self, name: &str) -> Result<Scenario, ControlError> {
        let scenarios = all();
        let names: Vec<&str> = scenarios.iter().map(|scenario| scenario.name).collect();
        let known = format!("there are: {}", names.join(", "));
        let unknown = || ControlError::new(format!("no scenario is called `{name}`"), known);
        let scenario = scenarios.into_iter().find(|scenario| scenario.name == name).ok_or_else(unknown)?;
        for (number, step) in (1..).zip(&scenario.steps) {
            perform(self, step.operation, step.fields.clone()).map_err(|trouble| {
                let (what, hint) = match trouble {
                    Trouble::Unreadable(error) | Trouble::Refused(error) => (error.message, error.hint),
                    Trouble::Unknown => ("no operation is called like that".to_owned(), String::new()),
                };
                ControlError::new(format!("step {number} of `{name}`, `{}`: {what}", step.operation), hint)
            })?;
        }
        Ok(scenario)
    }
}

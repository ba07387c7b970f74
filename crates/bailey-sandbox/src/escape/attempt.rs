//! One attempt: the attacking program as a plugin, the host watching, and a verdict.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    task::JoinSet,
    time::{Instant, timeout},
};

use super::{
    canary::{self, Canary},
    catalogue::{Attack, Judge},
    sight,
    verdict::{Evidence, Verdict},
};
use crate::{Exit, Process, ProcessSpec, Sandbox};

/// What the attacks share: trying, raw system calls, the line of verdict.
const DOORS: &str = include_str!("doors.py");
/// How long a program may take, on a machine that is busy with other attacks.
const DEADLINE: Duration = Duration::from_secs(60);
/// How long the limit of the processor may take to be there: a container's is set by a daemon that was
/// asked for it when the process gave its first sign of life. And how often it is looked for.
const LIMIT_COMES: Duration = Duration::from_secs(5);
const LOOK_FOR_LIMIT: Duration = Duration::from_millis(20);
/// How long the processor is watched at a time: many accounting periods of the kernel.
const WATCH_PROCESSOR: Duration = Duration::from_secs(1);
/// How often.
const WATCHES: usize = 3;
/// Share of a processor below which a program has not tried to use any.
const PROCESSOR_LEAST: f64 = 0.02;
/// A share is measured a little high, by what was used up to the limit being set and by the clock's ticks.
const PROCESSOR_TOLERANCE: f64 = 1.3;
/// Most that is read of what a program says.
const OUTPUT_BYTES: u64 = 1024 * 1024;

/// Lets a plugin try one attack in a sandbox. Takes a fraction of a second for most.
pub async fn attempt(sandbox: &Sandbox, attack: &Attack, canary: &Canary) -> Verdict {
    match run(sandbox, attack, canary).await {
        Ok(evidence) => evidence.judge(attack),
        Err(why) => Verdict::Broken(why),
    }
}

/// Tries many attacks, `at_once` at a time, each with a canary of its own. The verdicts come in the
/// order of the attacks; `told` hears each when it is known.
pub async fn attempt_all(
    sandbox: &Sandbox,
    attacks: impl IntoIterator<Item = &'static Attack>,
    at_once: usize,
    mut told: impl FnMut(&'static Attack, &Verdict),
) -> Vec<(&'static Attack, Verdict)> {
    let mut waiting = attacks.into_iter().enumerate();
    let mut running = JoinSet::new();
    let mut verdicts = Vec::new();
    loop {
        while running.len() < at_once.max(1)
            && let Some((place, attack)) = waiting.next()
        {
            let sandbox = sandbox.clone();
            running.spawn(async move {
                let verdict = match Canary::new() {
                    Ok(canary) => attempt(&sandbox, attack, &canary).await,
                    Err(error) => Verdict::Broken(format!("cannot set up the canary: {error}")),
                };
                (place, attack, verdict)
            });
        }
        match running.join_next().await {
            Some(Ok((place, attack, verdict))) => {
                told(attack, &verdict);
                verdicts.push((place, attack, verdict));
            }
            // A defect in the runner itself must not look like an attack that was held.
            Some(Err(error)) => std::panic::resume_unwind(Box::new(error.to_string())),
            None => break,
        }
    }
    verdicts.sort_by_key(|(place, ..)| *place);
    verdicts.into_iter().map(|(_, attack, verdict)| (attack, verdict)).collect()
}

async fn run(sandbox: &Sandbox, attack: &Attack, canary: &Canary) -> Result<Evidence, String> {
    let failed = |what: &'static str| move |error: io::Error| format!("{what}: {error}");
    let folder = canary::readable_folder().map_err(failed("cannot make its folder"))?;
    for (name, text) in [("__main__.py", attack.program()), ("doors.py", DOORS)] {
        std::fs::write(folder.path().join(name), text).map_err(failed("cannot write its program"))?;
    }
    let before = canary::survey(folder.path()).map_err(failed("cannot look at its folder"))?;
    let spec = ProcessSpec {
        environment: canary.environment(),
        ..ProcessSpec::python_plugin(attack.name, folder.path(), None)
    };
    let pids = spec.limits.pids;
    let share = f64::from(spec.limits.cpu_percent) / 100.0;

    let leak = attack.leak.then(|| canary.leak()).transpose().map_err(failed("cannot leak a descriptor"))?;
    let mut process =
        sandbox.spawn(spec).await.map_err(|error| format!("the sandbox did not start: {error}"))?;
    drop(leak);
    process.started();
    let mut watch =
        Watch { judge: attack.judge, pids, share, seen: Vec::new(), looked: false, trouble: None };
    let words = timeout(DEADLINE, watch.talk(&mut process)).await;
    drop(process);
    let survivors = end_survivors(canary.mark());
    let (said, complained, exit) = words
        .map_err(|_| format!("it did not end within {} s", DEADLINE.as_secs()))?
        .map_err(failed("cannot talk with it"))?;
    if let Some(trouble) = watch.trouble {
        return Err(trouble.to_owned());
    }
    if matches!(attack.judge, Judge::Killed | Judge::Processor) && !watch.looked {
        return Err(format!("it {exit} before the host looked"));
    }
    let mut seen = watch.seen;
    seen.extend(survivors);
    seen.extend(canary.seen(&format!("{said}{complained}")));
    let after = canary::survey(folder.path()).map_err(failed("cannot look at its folder"))?;
    seen.extend(canary::differences(&before, &after));
    Ok(Evidence { said, complained, exit, seen })
}

/// What the host looks at while the program runs.
struct Watch {
    judge: Judge,
    pids: u64,
    share: f64,
    seen: Vec<String>,
    /// Whether the program came to the moment that counts.
    looked: bool,
    /// Why nothing is known, although it was looked at.
    trouble: Option<&'static str>,
}

impl Watch {
    /// Reads all it says and answers its `LOOK` lines, until it ends.
    async fn talk(&mut self, process: &mut Process) -> io::Result<(String, String, Exit)> {
        let stdio = process.take_stdio().ok_or_else(|| io::Error::other("the pipes are gone"))?;
        let (mut said, mut complained) = (String::new(), Vec::new());
        let killed = matches!(self.judge, Judge::Killed | Judge::Processor);
        let mut stdin = Some(stdio.stdin);
        let mut lines = BufReader::new(stdio.stdout.take(OUTPUT_BYTES)).lines();
        let mut stderr = stdio.stderr.take(OUTPUT_BYTES);
        let listen = async {
            while let Some(line) = lines.next_line().await? {
                if line != "LOOK" {
                    said.push_str(&line);
                    said.push('\n');
                    continue;
                }
                self.look(process).await;
                if killed {
                    drop(stdin.take());
                    if self.judge == Judge::Killed {
                        process.terminate(); // which it does not heed
                    }
                    process.kill();
                    break; // what survives may hold the pipes open for ever
                }
                if let Some(stdin) = &mut stdin {
                    let _it_may_have_ended = stdin.write_all(b"go\n").await;
                }
            }
            Ok::<_, io::Error>(())
        };
        if killed {
            listen.await?;
        } else {
            let (heard, read) = tokio::join!(listen, stderr.read_to_end(&mut complained));
            heard?;
            read?;
        }
        let exit = process.wait().await;
        if killed && exit != Exit::Signal(9) {
            stderr.read_to_end(&mut complained).await?;
        }
        Ok((said, String::from_utf8_lossy(&complained).into_owned(), exit))
    }

    /// The program says that now is the moment.
    async fn look(&mut self, process: &Process) {
        self.looked = true;
        let pid = process.pid();
        if sight::threads(pid) == 0 {
            self.trouble = Some("the host cannot see the process");
            return;
        }
        if self.judge == Judge::Processor {
            return self.look_at_the_processor(pid).await;
        }
        if self.judge == Judge::Killed {
            return; // what it has started counts when it is still there afterwards
        }
        let processes = sight::descendants(pid).len();
        if processes > 0 {
            self.seen.push(format!("{processes} processes it started"));
        }
        let threads = sight::threads(pid);
        if threads as u64 > self.pids {
            self.seen.push(format!("{threads} threads"));
        }
    }

    /// Looks for the limit, and compares processor time with the time that passed. Either alone would
    /// not do: a limit may be no use, and on a busy machine a process without one has to wait, too.
    async fn look_at_the_processor(&mut self, pid: u32) {
        let limited = async {
            while sight::processor_limit(pid).is_none_or(|limit| limit > self.share) {
                tokio::time::sleep(LOOK_FOR_LIMIT).await;
            }
        };
        if timeout(LIMIT_COMES, limited).await.is_err() {
            self.seen.push("no limit of its processor time".to_owned());
        }
        let mut most = 0.0_f64;
        for _ in 0..WATCHES {
            let (start, before) = (Instant::now(), sight::processor_time(pid));
            tokio::time::sleep(WATCH_PROCESSOR).await;
            let (wall, after) = (start.elapsed(), sight::processor_time(pid));
            let (Some(before), Some(after)) = (before, after) else { break };
            most = most.max(after.saturating_sub(before).as_secs_f64() / wall.as_secs_f64());
            if most > self.share * PROCESSOR_TOLERANCE {
                self.seen.push(format!("{:.0} % of a processor used", most * 100.0));
                return;
            }
        }
        if most < PROCESSOR_LEAST {
            self.trouble = Some("it used no processor time, so nothing was limited");
        }
    }
}

/// Nothing may be left of a process whose end the host has seen. Ends what is, for the host's own sake.
fn end_survivors(mark: &str) -> Option<String> {
    let survivors = sight::carrying(mark);
    for pid in &survivors {
        if let Some(pid) = rustix::process::Pid::from_raw(pid.cast_signed()) {
            let _already_gone = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
    (!survivors.is_empty()).then(|| format!("{} processes that outlived it", survivors.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BareConfig, BareSandbox, escape::ATTACKS};

    /// Killed by somebody, it looks like one that the host killed after it had looked.
    #[tokio::test]
    async fn one_that_is_killed_before_it_tried_was_not_held() {
        let python = "/usr/bin/python3".into();
        let sandbox = Sandbox::Bare(BareSandbox::new(BareConfig { python }));
        let canary = Canary::new().unwrap();
        for judge in [Judge::Killed, Judge::Processor] {
            let mut attack = ATTACKS.iter().find(|attack| attack.judge == judge).unwrap().clone();
            attack.program = "import os\nos.kill(os.getpid(), 9)\n";
            let verdict = attempt(&sandbox, &attack, &canary).await;
            assert!(matches!(verdict, Verdict::Broken(_)), "{}: {verdict}", attack.name);
        }
    }
}

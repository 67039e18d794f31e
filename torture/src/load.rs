//! Clients that ask without pause, or at a rate, and what they get.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::client::{Answer, Connection, Request};
use crate::table::Times;

/// What came of requests.
#[derive(Default)]
pub struct Tally {
    pub sent: u64,
    /// Times of good answers, of refusals (429 and 503), and when each good one came.
    pub good: Times,
    pub shed: Times,
    pub good_at: Vec<(Instant, bool)>,
    pub statuses: BTreeMap<u16, u64>,
    /// No answer, or half of one.
    pub broken: u64,
    pub first_error: Option<String>,
}

impl Tally {
    pub fn add(&mut self, answer: std::io::Result<Answer>) {
        self.sent += 1;
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                self.broken += 1;
                self.first_error.get_or_insert(error.to_string());
                self.good_at.push((Instant::now(), false));
                return;
            }
        };
        *self.statuses.entry(answer.status).or_default() += 1;
        self.good_at.push((Instant::now(), answer.good()));
        if answer.good() {
            self.good.0.push(answer.took);
        } else if [429, 503].contains(&answer.status) {
            self.shed.0.push(answer.took);
        } else if answer.status == 200 {
            self.broken += 1;
            self.first_error.get_or_insert(format!("half an answer: {}", answer.text()));
        } else {
            self.first_error.get_or_insert(answer.text());
        }
    }

    pub fn goods(&self) -> u64 {
        self.good.0.len() as u64
    }

    /// Per cent of all.
    pub fn success(&self) -> f64 {
        self.goods() as f64 * 100.0 / (self.sent.max(1)) as f64
    }

    /// Everything that wasn't good, for a message.
    pub fn faults(&self) -> String {
        let statuses: Vec<_> = self
            .statuses
            .iter()
            .filter(|(status, _)| **status != 200)
            .map(|(status, count)| format!("{count}× {status}"))
            .collect();
        let first = self.first_error.as_deref().unwrap_or_default();
        format!("{} broken, {} {}", self.broken, statuses.join(", "), &first[..first.len().min(160)])
    }
}

pub type Shared = Arc<Mutex<Tally>>;

pub fn take(shared: &Shared) -> Tally {
    std::mem::take(&mut shared.lock().unwrap_or_else(PoisonError::into_inner))
}

fn add(shared: &Shared, answer: std::io::Result<Answer>) {
    shared.lock().unwrap_or_else(PoisonError::into_inner).add(answer);
}

/// So many clients, each asking again as soon as it has its answer, over a kept connection.
pub async fn closed(
    address: SocketAddr,
    clients: usize,
    lasting: Duration,
    request: impl Fn(usize) -> Request,
) -> Tally {
    let shared = Shared::default();
    let end = Instant::now() + lasting;
    let mut running = JoinSet::new();
    for number in 0..clients {
        let (request, shared) = (request(number), Arc::clone(&shared));
        running.spawn(async move {
            let mut connection = None;
            while Instant::now() < end {
                let mut open = match connection.take() {
                    Some(open) => open,
                    None => match Connection::open(address).await {
                        Ok(open) => open,
                        Err(error) => {
                            add(&shared, Err(error));
                            tokio::time::sleep(Duration::from_millis(50)).await;
                            continue;
                        }
                    },
                };
                let answer = open.ask(&request).await;
                if answer
                    .as_ref()
                    .is_ok_and(|answer| answer.whole && !answer.head.contains("connection: close"))
                {
                    connection = Some(open);
                }
                add(&shared, answer);
            }
        });
    }
    running.join_all().await;
    take(&shared)
}

/// Requests at a constant rate, each over a connection of its own, however long the others take.
pub async fn open(
    address: SocketAddr,
    rate: f64,
    lasting: Duration,
    request: impl Fn(usize) -> Request,
) -> Tally {
    let shared = Shared::default();
    let begun = Instant::now();
    let mut running = JoinSet::new();
    let mut sent = 0;
    while begun.elapsed() < lasting {
        let due = (begun.elapsed().as_secs_f64() * rate) as usize;
        while sent <= due {
            let (request, shared) = (request(sent), Arc::clone(&shared));
            running.spawn(async move { add(&shared, request.send(address).await) });
            sent += 1;
        }
        while running.try_join_next().is_some() {}
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    running.join_all().await;
    take(&shared)
}

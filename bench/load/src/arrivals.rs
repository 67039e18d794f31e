//! When requests are sent.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::task::spawn_local;
use tokio::time::{sleep, sleep_until, timeout};

use crate::Span;
use crate::client::{Connection, Error, Exchange, Target};
use crate::process::{Meter, Window, memory_kib};
use crate::tally::Tally;

/// More at once than this is a gateway that doesn't keep up.
const MOST_IN_FLIGHT: usize = 8000;

/// Connections made at the same time, for idle ones.
const GREETERS: usize = 32;

/// After a failed connection, so that a gateway that is gone costs no core.
const AFTER_FAILURE: Duration = Duration::from_millis(50);

/// Each connection asks again as soon as it has been answered.
pub(crate) async fn closed(
    target: &Rc<Target>,
    tally: &Rc<RefCell<Tally>>,
    connections: usize,
    span: Span,
    meter: &Meter,
) -> Result<Window, Error> {
    let from = Instant::now() + span.warmup;
    let to = from + span.measured;
    let asking: Vec<_> = (0..connections)
        .map(|_| {
            let (target, tally) = (Rc::clone(target), Rc::clone(tally));
            spawn_local(async move {
                let mut connection = None;
                while Instant::now() < to {
                    let begun = Instant::now();
                    let outcome = ask(&target, &mut connection, span.timeout).await;
                    let failed = outcome.is_err();
                    record(&tally, outcome, begun, begun >= from, from, to);
                    if failed {
                        sleep(AFTER_FAILURE).await;
                    }
                }
            })
        })
        .collect();
    sleep_until(from.into()).await;
    let start = meter.read()?;
    sleep_until(to.into()).await;
    let end = meter.read()?;
    for task in asking {
        task.await?;
    }
    Ok(start.until(&end))
}

/// A request every 1/rate seconds, whether or not the last one has been answered.
pub(crate) async fn open(
    target: &Rc<Target>,
    tally: &Rc<RefCell<Tally>>,
    rate: f64,
    span: Span,
    meter: &Meter,
) -> Result<Window, Error> {
    let idle: Rc<RefCell<Vec<Connection>>> = Rc::default();
    let in_flight = Rc::new(Cell::new(0_usize));
    let begin = Instant::now();
    let from = begin + span.warmup;
    let to = from + span.measured;
    let mut start = None;
    let mut due = begin;
    for n in 1_u32.. {
        sleep_until(due.into()).await;
        if start.is_none() && due >= from {
            start = Some(meter.read()?);
        }
        if due >= to {
            break;
        }
        if in_flight.get() < MOST_IN_FLIGHT {
            in_flight.set(in_flight.get() + 1);
            let (target, tally) = (Rc::clone(target), Rc::clone(tally));
            let (idle, in_flight) = (Rc::clone(&idle), Rc::clone(&in_flight));
            spawn_local(async move {
                let mut connection = idle.borrow_mut().pop();
                let outcome = ask(&target, &mut connection, span.timeout).await;
                record(&tally, outcome, due, due >= from, from, to);
                idle.borrow_mut().extend(connection);
                in_flight.set(in_flight.get() - 1);
            });
        } else {
            tally.borrow_mut().fail(&"too many requests in flight".into());
        }
        due = begin + Duration::from_secs_f64(f64::from(n) / rate);
    }
    let end = meter.read()?;
    while in_flight.get() > 0 {
        sleep(Duration::from_millis(20)).await;
    }
    Ok(start.map_or_else(|| end.until(&end), |start| start.until(&end)))
}

/// What resting connections cost.
pub(crate) struct Idle {
    /// Connections that are still open after the rest.
    pub(crate) held: usize,
    /// Memory that the gateway has more than before.
    pub(crate) grown_kib: f64,
}

/// Connections that ask for next to nothing once and then rest.
pub(crate) async fn idle(
    target: &Rc<Target>,
    tally: &Rc<RefCell<Tally>>,
    connections: usize,
    span: Span,
    meter: &Meter,
) -> Result<Idle, Error> {
    let before = memory_kib(meter.gateway)?;
    let held: Rc<RefCell<Vec<Connection>>> = Rc::default();
    let left = Rc::new(Cell::new(connections));
    let greeting: Vec<_> = (0..GREETERS)
        .map(|_| {
            let (target, tally) = (Rc::clone(target), Rc::clone(tally));
            let (held, left) = (Rc::clone(&held), Rc::clone(&left));
            spawn_local(async move {
                while let Some(fewer) = left.get().checked_sub(1) {
                    left.set(fewer);
                    let greeted = async {
                        let mut connection = target.connect().await?;
                        target.greet(&mut connection).await?;
                        Ok::<_, Error>(connection)
                    };
                    match timeout(span.timeout, greeted).await {
                        Ok(Ok(connection)) => held.borrow_mut().push(connection),
                        Ok(Err(error)) => tally.borrow_mut().fail(&error),
                        Err(elapsed) => tally.borrow_mut().fail(&elapsed.into()),
                    }
                }
            })
        })
        .collect();
    for task in greeting {
        task.await?;
    }
    sleep(span.measured).await;
    let grown_kib = memory_kib(meter.gateway)? - before;
    let held = held.borrow().iter().filter(|connection| !connection.is_closed()).count();
    Ok(Idle { held, grown_kib })
}

/// One exchange, on the connection that is there or on a new one, which is left for the next if all went well.
async fn ask(
    target: &Target,
    connection: &mut Option<Connection>,
    longest: Duration,
) -> Result<Exchange, Error> {
    let work = async {
        let mut open = match connection.take().filter(|open| !open.is_closed()) {
            Some(open) => open,
            None => target.connect().await?,
        };
        let exchange = target.exchange(&mut open).await?;
        *connection = Some(open);
        Ok(exchange)
    };
    timeout(longest, work).await?
}

fn record(
    tally: &RefCell<Tally>,
    outcome: Result<Exchange, Error>,
    begun: Instant,
    measured: bool,
    from: Instant,
    to: Instant,
) {
    let ended = Instant::now();
    let mut tally = tally.borrow_mut();
    match outcome {
        Ok(exchange) => {
            tally.in_window += u64::from(ended >= from && ended <= to);
            if measured {
                tally.measure(begun, ended, exchange);
            }
        }
        Err(error) => tally.fail(&error),
    }
}

//! The replicas: started, killed, stopped, and started again.

use std::io::Write;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use refunds::grpc::proto::refund_service_client::RefundServiceClient;
use refunds::service::Point;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tonic::transport::{Channel, Endpoint};

use crate::catalogue::account_variables;
use crate::support::chance::Chance;
use crate::support::process::KILL_AT;
use crate::world::{World, count};
use crate::{sleepers, takeover};

const START_PATIENCE: Duration = Duration::from_mins(2);
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long a dead replica stays dead.
const REST: (Duration, Duration) = (Duration::from_millis(200), Duration::from_millis(1_500));
/// How much longer than its lease a stopped replica sleeps.
const OVERSLEEP: (Duration, Duration) = (Duration::from_millis(500), Duration::from_millis(2_500));
/// Of a hundred starts: those that kill themselves at a point, and those that stop.
const KILL_TRAPS: u32 = 45;
const STOP_TRAPS: u32 = 30;
/// How often a point is passed before its trap springs, at most.
const HITS_MAX: u32 = 60;

/// What a replica is told to suffer.
pub(crate) enum Order {
    /// SIGKILL.
    Kill,
    /// SIGSTOP for longer than its lease.
    Stop,
    /// SIGKILL, and no new start before `Go`; answers when it is dead.
    Halt(oneshot::Sender<()>),
    Go,
}

/// One replica, or the gap where it is.
pub(crate) struct Replica {
    pub(crate) slot: usize,
    orders: mpsc::UnboundedSender<Order>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    client: Option<RefundServiceClient<Channel>>,
    serving_since: Option<Instant>,
    stopped: bool,
}

impl Replica {
    pub(crate) fn new(slot: usize) -> (Self, mpsc::UnboundedReceiver<Order>) {
        let (orders, received) = mpsc::unbounded_channel();
        (Self { slot, orders, state: Mutex::default() }, received)
    }

    pub(crate) fn order(&self, order: Order) {
        let _ended = self.orders.send(order);
    }

    /// A client of it, while it listens. It may be stopped, as a caller could not know.
    pub(crate) fn client(&self) -> Option<RefundServiceClient<Channel>> {
        self.state.lock().unwrap().client.clone()
    }

    /// Since when it works without a break.
    pub(crate) fn working_since(&self) -> Option<Instant> {
        let state = self.state.lock().unwrap();
        state.serving_since.filter(|_| !state.stopped)
    }

    fn is_up(&self, address: &str) {
        let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
        let client =
            RefundServiceClient::new(endpoint.connect_timeout(Duration::from_secs(2)).connect_lazy());
        let state = State { client: Some(client), serving_since: Some(Instant::now()), stopped: false };
        *self.state.lock().unwrap() = state;
    }

    fn is_down(&self) {
        *self.state.lock().unwrap() = State::default();
    }

    fn is_stopped(&self, stopped: bool) {
        let mut state = self.state.lock().unwrap();
        state.stopped = stopped;
        if !stopped {
            state.serving_since = Some(Instant::now());
        }
    }
}

/// How a process came to its end.
enum End {
    Killed,
    Halted(oneshot::Sender<()>),
    Exited(String),
}

/// Keeps one replica going until the run is over.
pub(crate) async fn keep(
    world: Arc<World>,
    slot: usize,
    mut orders: mpsc::UnboundedReceiver<Order>,
    mut chance: Chance,
) {
    let replica = &world.replicas[slot];
    let mut generation = 0_u64;
    while !world.over.is_cancelled() {
        generation += 1;
        let worker = format!("r{slot}g{generation}");
        let mut running = match start(&world, slot, &worker, &mut chance).await {
            Ok(running) => running,
            Err(why) => {
                world.findings.note("a replica did not start", || format!("{worker}: {why}"));
                while let Ok(order) = orders.try_recv() {
                    wait_while_halted(order, &mut orders).await;
                }
                tokio::time::sleep(REST.0).await;
                continue;
            }
        };
        replica.is_up(&running.address);
        let end = live(&world, slot, &worker, &mut running, &mut orders, &mut chance).await;
        replica.is_down();
        match end {
            None => return,
            Some(End::Killed) => {
                count(&world.counts.kills);
                tokio::spawn(takeover::watch(Arc::clone(&world), slot, worker, Instant::now()));
            }
            Some(End::Halted(dead)) => {
                count(&world.counts.kills);
                wait_while_halted(Order::Halt(dead), &mut orders).await;
            }
            Some(End::Exited(how)) => {
                world.findings.note("a replica ended by itself", || format!("{worker}: {how}"));
            }
        }
        tokio::time::sleep(chance.between(REST.0, REST.1)).await;
    }
}

async fn wait_while_halted(order: Order, orders: &mut mpsc::UnboundedReceiver<Order>) {
    let Order::Halt(dead) = order else { return };
    let _nobody_waits = dead.send(());
    while !matches!(orders.recv().await, Some(Order::Go) | None) {}
}

struct Running {
    child: Child,
    id: Pid,
    address: String,
    sleeps: bool,
}

/// A life: until it is killed, kills itself or exits. `None` when the run is over.
async fn live(
    world: &Arc<World>,
    slot: usize,
    worker: &str,
    running: &mut Running,
    orders: &mut mpsc::UnboundedReceiver<Order>,
    chance: &mut Chance,
) -> Option<End> {
    loop {
        tokio::select! {
            () = world.over.cancelled() => {
                let _dead = running.child.kill().await;
                return None;
            }
            status = running.child.wait() => {
                let status = status.unwrap();
                return Some(match status.code() {
                    None => {
                        count(&world.counts.kills_at_points);
                        End::Killed
                    }
                    Some(_) => End::Exited(status.to_string()),
                });
            }
            order = orders.recv() => match order? {
                Order::Kill => {
                    running.child.kill().await.unwrap();
                    return Some(End::Killed);
                }
                Order::Halt(dead) => {
                    running.child.kill().await.unwrap();
                    return Some(End::Halted(dead));
                }
                Order::Stop => {
                    kill_process(running.id, Signal::STOP).unwrap();
                    world.replicas[slot].is_stopped(true);
                    count(&world.counts.stops);
                    tokio::time::sleep(world.lease() + chance.between(OVERSLEEP.0, OVERSLEEP.1)).await;
                    wake(world, slot, running.id);
                }
                Order::Go => {}
            },
            () = tokio::time::sleep(LOOK_EVERY), if running.sleeps => {
                if is_stopped(running.id) {
                    running.sleeps = false;
                    world.replicas[slot].is_stopped(true);
                    count(&world.counts.stops_at_points);
                    let asleep = sleepers::asleep(world, worker).await;
                    tokio::time::sleep(world.lease() + chance.between(OVERSLEEP.0, OVERSLEEP.1)).await;
                    wake(world, slot, running.id);
                    tokio::spawn(sleepers::awake(Arc::clone(world), worker.to_owned(), asleep));
                }
            }
        }
    }
}

fn wake(world: &World, slot: usize, id: Pid) {
    // It may be gone: then there is nobody to wake.
    let _gone = kill_process(id, Signal::CONT);
    world.replicas[slot].is_stopped(false);
}

/// Whether the system says that a process is stopped.
fn is_stopped(id: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", id.as_raw_nonzero())).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('T'))
}

/// Starts one, perhaps with a trap at a point; waits until it listens.
async fn start(world: &World, slot: usize, worker: &str, chance: &mut Chance) -> Result<Running, String> {
    let mut variables = variables(world, slot, worker);
    let (draw, hits) = (chance.below(100), 1 + chance.below(HITS_MAX));
    let point = *chance.one_of(Point::ALL);
    let mut set = |key: &str, value: &str| variables.push((key.to_owned(), value.to_owned()));
    let kills = world.is_faulty() && draw < KILL_TRAPS;
    let sleeps = world.is_faulty() && !kills && draw < KILL_TRAPS + STOP_TRAPS;
    if kills {
        set(KILL_AT, point.name());
        set("REFUNDS__TESTING__KILL_AFTER_HITS", &hits.to_string());
    } else if sleeps {
        set("REFUNDS__TESTING__STOP_AT", Point::AfterIntent.name());
        set("REFUNDS__TESTING__STOP_AFTER_HITS", &hits.to_string());
    }
    let mut child = Command::new(&world.settings.binary)
        .arg("serve")
        .env_clear()
        .envs(variables)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let id = Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap()).unwrap();
    let path = world.logs.join(format!("{worker}.log"));
    let log = Arc::new(Mutex::new(std::fs::File::create(&path).unwrap()));
    let (listens, listening) = oneshot::channel();
    tokio::spawn(keep_lines(child.stdout.take().unwrap(), Arc::clone(&log), None));
    // What is told goes to the standard error.
    tokio::spawn(keep_lines(child.stderr.take().unwrap(), log, Some(listens)));
    match tokio::time::timeout(START_PATIENCE, listening).await {
        Ok(Ok(address)) => Ok(Running { child, id, address, sleeps }),
        Ok(Err(_)) => {
            let status = child.wait().await.unwrap();
            Err(format!("{status}: {}", std::fs::read_to_string(path).unwrap()))
        }
        Err(_) => Err("did not listen in time".to_owned()),
    }
}

fn variables(world: &World, slot: usize, worker: &str) -> Vec<(String, String)> {
    let lease = world.lease().as_millis().to_string();
    let mut variables = world.scene.variables(&[
        ("REFUNDS__DISPATCH__LEASE_MS", &lease),
        ("REFUNDS__DISPATCH__POLL_MS", "150"),
        ("REFUNDS__DISPATCH__WORKER_NAME", worker),
        ("REFUNDS__SERVER__STREAM_HEARTBEAT_MS", "5000"),
    ]);
    if let Some(proxy) = world.to_database.get(slot) {
        let url = format!("postgres://postgres@{}/refunds", proxy.address);
        variables.push(("REFUNDS__DATABASE__URL".to_owned(), url));
        variables.push(("REFUNDS__DATABASE__CONNECTIONS_MAX".to_owned(), "8".to_owned()));
    }
    let accounts = account_variables(&variables, world.to_sandbox.address);
    variables.extend(accounts);
    variables
}

/// Keeps what a process writes, and tells where it listens.
async fn keep_lines(
    from: impl AsyncRead + Unpin,
    log: Arc<Mutex<std::fs::File>>,
    mut listens: Option<oneshot::Sender<String>>,
) {
    let mut lines = BufReader::new(from).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let _full_disk = writeln!(log.lock().unwrap(), "{line}");
        if listens.is_some()
            && let Ok(line) = serde_json::from_str::<Value>(&line)
            && line["message"] == "serving"
            && let (Some(address), Some(listens)) = (line["address"].as_str(), listens.take())
        {
            let _nobody_waits = listens.send(address.to_owned());
        }
    }
}

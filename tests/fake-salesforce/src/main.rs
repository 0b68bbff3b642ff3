//! The double as a program: one line of JSON when it's ready, and an end when it's told to, or when whoever started it is
//! gone.

use std::io::Write as _;

use anyhow::Context as _;
use clap::Parser;
use fake_salesforce::org::OrgSpec;
use fake_salesforce::quota::{Edition, QuotaOptions, Stream, Traffic};
use fake_salesforce::{ClockMode, Fake, Options, User};
use serde_json::json;

/// A double of Salesforce's REST API on 127.0.0.1, with an org from a seed and an honest count of requests.
///
/// Prints one line of JSON with url and credentials when it's ready. It can be steered over HTTP under /__fake.
#[derive(Parser)]
#[command(name = "fake-salesforce", version)]
#[command(after_help = "Example:\n  fake-salesforce --size small --max 5000 --used 1200 --others-every-ms 5000")]
struct FakeArguments {
    /// Port; 0 lets the system choose.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// What the org comes from: equal seeds make equal orgs.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// tiny, small, real, wide, widest, million, files, restore, bench-s, bench-m or bench-l; with overrides like `small,Account=5000`, or
    /// `files,ContentVersion.body=2147483648` for a first body of that many bytes.
    #[arg(long, default_value = "small")]
    size: String,
    /// The org's daily API requests; by default what the edition has.
    #[arg(long)]
    max: Option<u64>,
    /// Requests that other applications made before.
    #[arg(long, default_value_t = 0)]
    used: u64,
    /// How many minutes before the start they made them.
    #[arg(long, default_value_t = 720)]
    used_minutes_ago: i64,
    /// The kind of org.
    #[arg(long, value_enum, default_value_t = Edition::Developer)]
    edition: Edition,
    /// Requests of other applications for each request of the client.
    #[arg(long, default_value_t = 0)]
    others_per_request: u64,
    /// One request of another application every so many milliseconds; 0 for none.
    #[arg(long, default_value_t = 0)]
    others_every_ms: i64,
    /// How old the reading of /limits is, in seconds; up to 300.
    #[arg(long, default_value_t = 120)]
    limits_lag_s: i64,
    /// On whose behalf clients ask.
    #[arg(long, value_enum, default_value_t = User::Administrator)]
    user: User,
    /// The clock stands still until it's advanced through /__fake/clock.
    #[arg(long)]
    virtual_clock: bool,
    /// How many minutes the clock is behind the machine's at first; it can be advanced through /__fake/clock.
    #[arg(long, default_value_t = 0, conflicts_with = "virtual_clock")]
    clock_behind_minutes: i64,
    /// Each use of a refresh token kills it and gives a new one.
    #[arg(long)]
    rotate_refresh_tokens: bool,
    /// File with the RSA public key (PEM) of jwt-bearer.
    #[arg(long)]
    jwt_public_key: Option<std::path::PathBuf>,
    /// End when standard input is closed.
    #[arg(long)]
    end_with_stdin: bool,
}

fn main() -> anyhow::Result<()> {
    let arguments = FakeArguments::parse();
    let end_with_stdin = arguments.end_with_stdin;
    let fake = Fake::start(options(arguments)?)?;
    let oauth = fake.oauth().options();
    let ready = json!({
        "url": fake.url(),
        "access_token": oauth.access_token,
        "client_id": oauth.client_id,
        "client_secret": oauth.client_secret,
        "refresh_token": oauth.refresh_token,
        "username": oauth.username,
    });
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{ready}").context("can't tell that it's ready")?;
    stdout.flush().context("can't tell that it's ready")?;
    drop(stdout);
    wait_for_end(end_with_stdin)?;
    fake.shutdown();
    Ok(())
}

fn options(arguments: FakeArguments) -> anyhow::Result<Options> {
    let mut options = Options::of(OrgSpec::parse(&arguments.size, arguments.seed)?);
    options.port = arguments.port;
    options.user = arguments.user;
    options.clock = if arguments.virtual_clock {
        ClockMode::Virtual
    } else {
        ClockMode::Behind(arguments.clock_behind_minutes * fake_salesforce::clock::MINUTE_MS)
    };
    let every = Stream {
        period_ms: arguments.others_every_ms,
        count: 1,
    };
    options.quota = QuotaOptions {
        max: arguments.max.unwrap_or_else(|| arguments.edition.default_max()),
        edition: arguments.edition,
        used: arguments.used,
        used_age_ms: arguments.used_minutes_ago * fake_salesforce::clock::MINUTE_MS,
        limits_lag_ms: arguments.limits_lag_s * 1000,
        traffic: Traffic {
            per_request: vec![arguments.others_per_request],
            at: Vec::new(),
            every: (arguments.others_every_ms > 0).then_some(every),
        },
        ..QuotaOptions::default()
    };
    options.oauth.rotate_refresh_tokens = arguments.rotate_refresh_tokens;
    if let Some(path) = arguments.jwt_public_key {
        let pem = std::fs::read_to_string(&path).with_context(|| format!("can't read the public key {}", path.display()))?;
        options.oauth.jwt_public_key = Some(pem);
    }
    Ok(options)
}

/// Until SIGTERM, SIGINT, or (if wanted) the end of standard input.
fn wait_for_end(end_with_stdin: bool) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        let (closed, stdin_closed) = tokio::sync::oneshot::channel::<()>();
        if end_with_stdin {
            // A thread of its own: a blocking read would hold the runtime up when it ends.
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink()); // whatever ends it, it's the end
                let _ = closed.send(()); // nobody waits any more: it ends anyway
            });
        }
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
            Ok(()) = stdin_closed => {}
        }
        Ok(())
    })
}

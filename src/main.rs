//! The `lab` command: parses, runs, and ends with the exit code of the outcome.

use std::process::ExitCode;

use lab::cli::{cannot_start, complete, keep_child, parse, run};

fn main() -> ExitCode {
    if let Some(code) = keep_child() {
        return ExitCode::from(code);
    }
    // Two crypto providers in one process make rustls panic, so the one is named before anything asks for it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    complete();
    let args = match parse() {
        Ok(args) => args,
        Err(code) => return ExitCode::from(code),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return ExitCode::from(cannot_start(&error)),
    };
    let code = runtime.block_on(run(args));
    // Blocking tasks, such as a wait for another process's lock, must not hold up the end.
    runtime.shutdown_background();
    ExitCode::from(code)
}

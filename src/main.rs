//! Parses the command, runs it, exits with its code. Telemetry is flushed by the command itself, however it
//! ends.

use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;
use refunds::app::command::{self, Arguments};

/// Arguments or configuration that the one who started the program can mend.
const EXIT_USAGE: u8 = 64;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _unwritten = error.print();
            return match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
                _fault => ExitCode::from(EXIT_USAGE),
            };
        }
    };
    match command::run(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("refunds: {}", refunds::telemetry::Chain(&error));
            ExitCode::from(error.exit_code())
        }
    }
}

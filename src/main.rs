//! The binary: parse, run, exit code.

fn main() -> std::process::ExitCode {
    carebell::cli::main(std::env::args_os()).into()
}

//! The `mig` binary: everything is in the library.

fn main() -> std::process::ExitCode {
    mig::cli::main().into()
}

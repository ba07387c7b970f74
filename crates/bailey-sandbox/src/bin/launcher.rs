//! The launcher as a program of its own, for tests and for hosts that do not want to re-execute
//! themselves.

fn main() {
    bailey_sandbox::launcher::run_if_requested();
    eprintln!("this program is started by the Bailey sandbox and does nothing by itself");
    std::process::exit(2);
}

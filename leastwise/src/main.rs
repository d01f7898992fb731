//! The command `leastwise`.

use std::process::ExitCode;

fn main() -> ExitCode {
    leastwise::main()
}

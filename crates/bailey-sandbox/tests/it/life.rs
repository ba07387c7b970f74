//! A process's life: talking, ending, being ended.

use bailey_sandbox::Exit;

use crate::fixture::{Plugin, run};

#[tokio::test]
async fn a_process_echoes_reports_its_code_and_keeps_its_errors_apart() {
    let plugin = Plugin::new(
        "import sys\nfor line in sys.stdin: print('echo', line, end='')\nprint('oops', file=sys.stderr)\nexit(7)\n",
    );
    let outcome = run(plugin.spec(), "one\nzwölf\n").await;
    assert_eq!(outcome.stdout, "echo one\necho zwölf\n");
    assert_eq!(outcome.stderr, "oops\n");
    assert_eq!(outcome.exit, Exit::Code(7));
}

//! The same under gVisor, where it is installed. Function only: the version Debian has is years old.

use std::io::Write;

use bailey_sandbox::{DockerConfig, Exit};

use super::{config, open};
use crate::fixture::Plugin;

#[tokio::test]
async fn a_plugin_talks_and_ends_under_gvisor() {
    let Some(daemon) = bailey_testkit::docker::shared() else { return };
    if !daemon.has_gvisor() {
        let _ = writeln!(std::io::stderr(), "PASSED OVER without gVisor (apt-get install runsc)");
        return;
    }
    let yard = open(DockerConfig { runtime: Some("runsc".to_owned()), ..config(daemon) }).await;
    let plugin = Plugin::new(
        "import sys\nfor line in sys.stdin: print('echo', line, end='')\nprint('oops', file=sys.stderr)\nexit(7)\n",
    );
    let outcome = yard.run(plugin.spec(), "one\nzwölf\n").await;
    assert_eq!((outcome.stdout.as_str(), outcome.stderr.as_str()), ("echo one\necho zwölf\n", "oops\n"));
    assert_eq!(outcome.exit, Exit::Code(7));
    let refused = "import socket, os\nfor door in (socket.socket, os.fork):\n    try:\n        door()\n        print('OPEN')\n    \
                   except OSError as error:\n        print(error.errno)\n";
    assert_eq!(yard.run(Plugin::new(refused).spec(), "").await.stdout, "1\n1\n");
    // Every SDK starts one.
    let thread = "import threading\nthread = threading.Thread(target=lambda: print('beside'))\nthread.start()\nthread.join()\n";
    let outcome = yard.run(Plugin::new(thread).spec(), "").await;
    assert_eq!(outcome.stdout, "beside\n", "{outcome:?}");
}

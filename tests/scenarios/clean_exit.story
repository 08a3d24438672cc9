# With on-failure, a worker that was done stays stopped until somebody asks.
0ms     config job=1@7 when=on-failure
           -> config 1 accepted
           -> Spawn job[0] run-1 kind 7
10ms    ready run-1
           -> job[0] run-1 ready
20ms    exited run-1 code 0
           -> job[0] run-1 stopped: exit code 0
30ms    ask 1 settle
           -> Reply 1: done
60s     ask 2 restart job
           -> Spawn job[0] run-2 kind 7
61s     exited run-2 code 1
           -> job[0] run-2 backoff 85ms: exit code 1
           -> Reply 2: failed: job[0]: exit code 1

# Who settles is told of the slot that gave up, not also of the roll that stopped elsewhere before.
0ms     config query=2@7 max=0
           -> config 1 accepted
           -> Spawn query[0] run-1 kind 7
           -> Spawn query[1] run-2 kind 7
50ms    ready run-1
           -> query[0] run-1 ready
50ms    ready run-2
           -> query[1] run-2 ready
20s     config query=2@8 max=0
           -> config 1 accepted
           -> roll of query began
           -> Spawn query[0] run-3 kind 8
21s     exited run-3 code 3
           -> query[0] run-3 stopped: exit code 3
           -> roll of query stopped: query[0]: exit code 3
22s     exited run-2 code 4
           -> query[1] run-2 failed: gave up after 1 death in 60s; last: exit code 4
23s     ask 1 settle
           -> Reply 1: failed: query[1]: gave up after 1 death in 60s; last: exit code 4
24s     status
           | query roll stopped: query[0]: exit code 3
           |   0 ready run-1, restarts 0, last exit code 3
           |   1 failed, restarts 0, why gave up after 1 death in 60s; last: exit code 4, last exit code 4

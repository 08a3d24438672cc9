# A slot that gives up stops its own app's roll, and no other's.
0ms     config mail=2@1 max=0 | query=2@7 max=0
           -> config 1 accepted
           -> Spawn mail[0] run-1 kind 1
           -> Spawn mail[1] run-2 kind 1
           -> Spawn query[0] run-3 kind 7
           -> Spawn query[1] run-4 kind 7
50ms    ready run-1
           -> mail[0] run-1 ready
50ms    ready run-2
           -> mail[1] run-2 ready
50ms    ready run-3
           -> query[0] run-3 ready
50ms    ready run-4
           -> query[1] run-4 ready
20s     ask 1 reload query
           -> roll of query began
           -> Spawn query[0] run-5 kind 7
21s     exited run-1 code 3
           -> mail[0] run-1 failed: gave up after 1 death in 60s; last: exit code 3
22s     ready run-5
           -> query[0] run-5 ready
           -> Drain run-3 within 5s
           -> Spawn query[1] run-6 kind 7
22100ms exited run-3 code 0
           -> query[0] run-3 stopped: exit code 0
23s     exited run-4 code 3
           -> query[1] run-4 stopped: exit code 3
24s     status
           | mail roll idle
           |   0 failed, restarts 0, why gave up after 1 death in 60s; last: exit code 3, last exit code 3
           |   1 ready run-2, restarts 0
           | query roll rolling 1/2
           |   0 ready run-5, restarts 0, last exit code 0
           |   1 starting run-6, restarts 0, last exit code 3

# An app that is no longer wanted drains; it stays in the picture until its last worker left.
0ms     config mail=1@1 | query=2@7
           -> config 1 accepted
           -> Spawn mail[0] run-1 kind 1
           -> Spawn query[0] run-2 kind 7
           -> Spawn query[1] run-3 kind 7
50ms    ready run-1
           -> mail[0] run-1 ready
60ms    ready run-2
           -> query[0] run-2 ready
70ms    ready run-3
           -> query[1] run-3 ready
1s      config query=1@7
           -> config 1 accepted
           -> Drain run-1 within 5s
           -> Drain run-3 within 5s
1001ms  status
           | mail roll idle
           |   0 draining run-1, restarts 0, why no longer wanted
           | query roll idle
           |   0 ready run-2, restarts 0
           |   1 draining run-3, restarts 0, why no longer wanted
1100ms  exited run-1 code 0
           -> mail[0] run-1 stopped: exit code 0
1200ms  exited run-3 code 0
           -> query[1] run-3 stopped: exit code 0
1201ms  status
           | query roll idle
           |   0 ready run-2, restarts 0

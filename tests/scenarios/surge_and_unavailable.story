# With both limits some are replaced new before old and some old before new, at once.
0ms     config query=4@7 surge=1 unavailable=1
           -> config 1 accepted
           -> Spawn query[0] run-1 kind 7
           -> Spawn query[1] run-2 kind 7
           -> Spawn query[2] run-3 kind 7
           -> Spawn query[3] run-4 kind 7
50ms    ready run-1
           -> query[0] run-1 ready
60ms    ready run-2
           -> query[1] run-2 ready
70ms    ready run-3
           -> query[2] run-3 ready
80ms    ready run-4
           -> query[3] run-4 ready
1s      ask 1 reload query
           -> roll of query began
           -> Spawn query[0] run-5 kind 7
           -> Drain run-2 within 5s
1001ms  status
           | query roll rolling 0/4
           |   0 ready run-1, successor run-5, restarts 0
           |   1 draining run-2, restarts 0, why replaced
           |   2 ready run-3, restarts 0
           |   3 ready run-4, restarts 0
1100ms  exited run-2 code 0
           -> query[1] run-2 stopped: exit code 0
           -> Spawn query[1] run-6 kind 7
1200ms  ready run-5
           -> query[0] run-5 ready
           -> Drain run-1 within 5s
           -> Spawn query[2] run-7 kind 7
1300ms  ready run-6
           -> query[1] run-6 ready
           -> Drain run-4 within 5s
1400ms  exited run-1 code 0
           -> query[0] run-1 stopped: exit code 0

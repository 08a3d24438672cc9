# A newer configuration dismisses the worker that was to take over, and another slot goes first at once.
0ms     config query=2@7
           -> config 1 accepted
           -> Spawn query[0] run-1 kind 7
           -> Spawn query[1] run-2 kind 7
50ms    ready run-1
           -> query[0] run-1 ready
60ms    ready run-2
           -> query[1] run-2 ready
1s      config query=2@8
           -> config 1 accepted
           -> roll of query began
           -> Spawn query[0] run-3 kind 8
2s      config query=2@9
           -> config 1 accepted
           -> Drain run-3 within 5s
           -> Spawn query[1] run-4 kind 9
2100ms  status
           | query roll rolling 0/2
           |   0 ready run-1, leaving run-3, restarts 0
           |   1 ready run-2, successor run-4, restarts 0

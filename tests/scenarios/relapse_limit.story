# A new worker that dies at the very moment at which it is stable does not stop the roll.
0ms     config query=2@7 stable=10s pause=10s
           -> config 1 accepted
           -> Spawn query[0] run-1 kind 7
           -> Spawn query[1] run-2 kind 7
50ms    ready run-1
           -> query[0] run-1 ready
60ms    ready run-2
           -> query[1] run-2 ready
1s      ask 1 reload query
           -> roll of query began
           -> Spawn query[0] run-3 kind 7
2s      ready run-3
           -> query[0] run-3 ready
           -> Drain run-1 within 5s
2100ms  exited run-1 code 0
           -> query[0] run-1 stopped: exit code 0
12s     exited run-3 code 3
           -> query[0] run-3 backoff 0ms: exit code 3
           -> Spawn query[1] run-4 kind 7
           -> Spawn query[0] run-5 kind 7
12100ms ready run-5
           -> query[0] run-5 ready

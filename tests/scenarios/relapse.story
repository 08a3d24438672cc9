# A new worker that is ready and dies at once stops the roll: the old ones go on.
0ms     config query=2@7
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
           -> Spawn query[1] run-4 kind 7
2050ms  exited run-3 code 3
           -> query[0] run-3 backoff 85ms: exit code 3
           -> roll of query stopped: query[0]: exit code 3
           -> Drain run-4 within 5s
           -> Reply 1: failed: the roll of `query` stopped: query[0]: exit code 3; the old workers go on serving
2100ms  status
           | query roll stopped: query[0]: exit code 3
           |   0 backoff, leaving run-1, restarts 0, why exit code 3, last exit code 3
           |   1 ready run-2, leaving run-4, restarts 0

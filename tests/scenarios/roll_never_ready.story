# A new worker that is not ready in time stops the roll as well.
0ms     config query=2@7 start=10s
           -> config 1 accepted
           -> Spawn query[0] run-1 kind 7
           -> Spawn query[1] run-2 kind 7
50ms    ready run-1
           -> query[0] run-1 ready
60ms    ready run-2
           -> query[1] run-2 ready
1s      ask 1 reload all
           -> roll of query began
           -> Spawn query[0] run-3 kind 7
 11000ms   -> Kill run-3 NeverReady
           -> roll of query stopped: query[0]: killed: not ready within 10s
           -> Reply 1: failed: the roll of `query` stopped: query[0]: killed: not ready within 10s; the old workers go on serving
12s     exited run-3 signal 9
           -> query[0] run-3 stopped: killed: not ready within 10s
12s     status
           | query roll stopped: query[0]: killed: not ready within 10s
           |   0 ready run-1, restarts 0, last killed: not ready within 10s
           |   1 ready run-2, restarts 0

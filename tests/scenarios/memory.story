# A worker that takes too much memory is replaced, new before old, once it is stable.
0ms     config query=2@7 memory=500 stable=10s
           -> config 1 accepted
           -> Spawn query[0] run-1 kind 7
           -> Spawn query[1] run-2 kind 7
50ms    ready run-1
           -> query[0] run-1 ready
60ms    ready run-2
           -> query[1] run-2 ready
5s      measured run-1 600
15s     measured run-2 400
16s     measured run-1 600
           -> roll of query began: query[0] takes 600 bytes of memory, max_memory is 500 bytes
           -> Spawn query[0] run-3 kind 7
17s     ready run-3
           -> query[0] run-3 ready
           -> Drain run-1 within 5s
           -> roll of query ended
18s     exited run-1 code 0
           -> query[0] run-1 stopped: exit code 0
18100ms status
           | query roll idle
           |   0 ready run-3, restarts 0, last exit code 0, 1 unasked, last: takes 600 bytes of memory, max_memory is 500 bytes
           |   1 ready run-2, restarts 0

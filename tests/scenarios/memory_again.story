# A worker that waits to be replaced for its memory keeps the reason for which it was chosen.
0ms     config query=2@7 memory=500 stable=1s
           -> config 1 accepted
           -> Spawn query[0] run-1 kind 7
           -> Spawn query[1] run-2 kind 7
50ms    ready run-1
           -> query[0] run-1 ready
50ms    ready run-2
           -> query[1] run-2 ready
10s     measured run-1 600
           -> roll of query began: query[0] takes 600 bytes of memory, max_memory is 500 bytes
           -> Spawn query[0] run-3 kind 7
11s     measured run-2 700
12s     measured run-2 900
13s     ready run-3
           -> query[0] run-3 ready
           -> Drain run-1 within 5s
           -> Spawn query[1] run-4 kind 7
14s     exited run-1 code 0
           -> query[0] run-1 stopped: exit code 0
15s     ready run-4
           -> query[1] run-4 ready
           -> Drain run-2 within 5s
           -> roll of query ended
16s     exited run-2 code 0
           -> query[1] run-2 stopped: exit code 0
17s     status
           | query roll idle
           |   0 ready run-3, restarts 0, last exit code 0, 1 unasked, last: takes 600 bytes of memory, max_memory is 500 bytes
           |   1 ready run-4, restarts 0, last exit code 0, 1 unasked, last: takes 700 bytes of memory, max_memory is 500 bytes

# When the new worker does not get ready the large one goes on, and a minute later it is tried again.
0ms     config query=1@7 memory=500 stable=10s
           -> config 1 accepted
           -> Spawn query[0] run-1 kind 7
50ms    ready run-1
           -> query[0] run-1 ready
20s     measured run-1 600
           -> roll of query began: query[0] takes 600 bytes of memory, max_memory is 500 bytes
           -> Spawn query[0] run-2 kind 7
21s     exited run-2 code 3
           -> query[0] run-2 stopped: exit code 3
           -> roll of query stopped: query[0]: exit code 3
21001ms status
           | query roll stopped: query[0]: exit code 3
           |   0 ready run-1, restarts 0, last exit code 3
80s     measured run-1 700
 81000ms   -> roll of query began: query[0] takes 600 bytes of memory, max_memory is 500 bytes
           -> Spawn query[0] run-3 kind 7
82s     ready run-3
           -> query[0] run-3 ready
           -> Drain run-1 within 5s
           -> roll of query ended
83s     exited run-1 code 0
           -> query[0] run-1 stopped: exit code 0

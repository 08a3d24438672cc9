# A worker that is old enough is replaced; chance makes it up to a tenth earlier.
0ms     config query=2@7 age=100s
           -> config 1 accepted
           -> Spawn query[0] run-1 kind 7
           -> Spawn query[1] run-2 kind 7
50ms    ready run-1
           -> query[0] run-1 ready
60ms    ready run-2
           -> query[1] run-2 ready
 92602ms   -> roll of query began: query[1] ready for 1 minute 33 seconds, max_age is over
           -> Spawn query[1] run-3 kind 7
101s    ready run-3
           -> query[1] run-3 ready
           -> Drain run-2 within 5s
           -> Spawn query[0] run-4 kind 7
102s    exited run-2 code 0
           -> query[1] run-2 stopped: exit code 0
103s    ready run-4
           -> query[0] run-4 ready
           -> Drain run-1 within 5s
           -> roll of query ended
104s    exited run-1 code 0
           -> query[0] run-1 stopped: exit code 0
105s    status
           | query roll idle
           |   0 ready run-4, restarts 0, last exit code 0, 1 unasked, last: ready for 1 minute 34 seconds, max_age is over
           |   1 ready run-3, restarts 0, last exit code 0, 1 unasked, last: ready for 1 minute 33 seconds, max_age is over

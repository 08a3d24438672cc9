# A new worker is watched before the next one is replaced; when it dies meanwhile, the roll stops.
0ms     config query=3@7 pause=20s
           -> config 1 accepted
           -> Spawn query[0] run-1 kind 7
           -> Spawn query[1] run-2 kind 7
           -> Spawn query[2] run-3 kind 7
50ms    ready run-1
           -> query[0] run-1 ready
60ms    ready run-2
           -> query[1] run-2 ready
70ms    ready run-3
           -> query[2] run-3 ready
1s      config query=3@8 pause=20s
           -> config 1 accepted
           -> roll of query began
           -> Spawn query[0] run-4 kind 8
2s      ready run-4
           -> query[0] run-4 ready
           -> Drain run-1 within 5s
3s      exited run-1 code 0
           -> query[0] run-1 stopped: exit code 0
 22000ms   -> Spawn query[1] run-5 kind 8
23s     ready run-5
           -> query[1] run-5 ready
           -> Drain run-2 within 5s
24s     exited run-2 code 0
           -> query[1] run-2 stopped: exit code 0
30s     exited run-5 code 3
           -> query[1] run-5 backoff 85ms: exit code 3
           -> roll of query stopped: query[1]: exit code 3
 30085ms   -> Spawn query[1] run-6 kind 8
31s     status
           | query roll stopped: query[1]: exit code 3
           |   0 ready run-4, restarts 0, last exit code 0
           |   1 starting run-6, restarts 1, last exit code 3
           |   2 ready run-3, restarts 0

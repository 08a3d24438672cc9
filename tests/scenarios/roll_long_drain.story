# A worker that drains for long does not hold up the others, only the next roll of its own slot.
0ms     config query=2@7 drain=60s
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
           -> Drain run-1 within 60s
           -> Spawn query[1] run-4 kind 7
3s      ready run-4
           -> query[1] run-4 ready
           -> Drain run-2 within 60s
           -> roll of query ended
           -> Reply 1: done
4s      ask 2 reload query
           -> roll of query began
5s      status
           | query roll rolling 0/2
           |   0 ready run-3, leaving run-1, restarts 0
           |   1 ready run-4, leaving run-2, restarts 0
10s     exited run-1 code 0
           -> query[0] run-1 stopped: exit code 0
           -> Spawn query[0] run-5 kind 7
11s     ready run-5
           -> query[0] run-5 ready
           -> Drain run-3 within 60s
12s     exited run-2 code 0
           -> query[1] run-2 stopped: exit code 0
           -> Spawn query[1] run-6 kind 7
13s     ready run-6
           -> query[1] run-6 ready
           -> Drain run-4 within 60s
           -> roll of query ended
           -> Reply 2: done

# One worker can be replaced as a reload replaces it.
0ms     config query=2@7
           -> config 1 accepted
           -> Spawn query[0] run-1 kind 7
           -> Spawn query[1] run-2 kind 7
50ms    ready run-1
           -> query[0] run-1 ready
60ms    ready run-2
           -> query[1] run-2 ready
1s      ask 1 reload query[1]
           -> roll of query began
           -> Spawn query[1] run-3 kind 7
2s      ready run-3
           -> query[1] run-3 ready
           -> Drain run-2 within 5s
           -> roll of query ended
           -> Reply 1: done
3s      exited run-2 code 0
           -> query[1] run-2 stopped: exit code 0

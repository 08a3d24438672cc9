# Once a program binds its own port, no worker starts before the last one has left the slot.
0ms     config query=1@7
           -> config 1 accepted
           -> Spawn query[0] run-1 kind 7
50ms    ready run-1
           -> query[0] run-1 ready
1s      ask 1 reload query
           -> roll of query began
           -> Spawn query[0] run-2 kind 7
1100ms  ready run-2
           -> query[0] run-2 ready
           -> Drain run-1 within 5s
           -> roll of query ended
           -> Reply 1: done
1200ms  config query=1@7 surge=0 unavailable=1
           -> config 1 accepted
1300ms  exited run-2 code 3
           -> query[0] run-2 backoff 85ms: exit code 3
2s      status
           | query roll idle
           |   0 stopped, leaving run-1, restarts 1, last exit code 3
3s      exited run-1 code 0
           -> query[0] run-1 stopped: exit code 0
           -> Spawn query[0] run-3 kind 7

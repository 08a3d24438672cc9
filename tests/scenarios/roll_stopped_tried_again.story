# A configuration takes up a roll that stopped, even when nothing in it is new.
0ms     config query=1@7
           -> config 1 accepted
           -> Spawn query[0] run-1 kind 7
50ms    ready run-1
           -> query[0] run-1 ready
1s      config query=1@8
           -> config 1 accepted
           -> roll of query began
           -> Spawn query[0] run-2 kind 8
1100ms  exited run-2 code 3
           -> query[0] run-2 stopped: exit code 3
           -> roll of query stopped: query[0]: exit code 3
2s      config query=1@8
           -> config 1 accepted
           -> roll of query began
           -> Spawn query[0] run-3 kind 8
2100ms  ready run-3
           -> query[0] run-3 ready
           -> Drain run-1 within 5s
           -> roll of query ended
2200ms  exited run-1 code 0
           -> query[0] run-1 stopped: exit code 0

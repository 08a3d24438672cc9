# A reload starts the new worker, waits until it serves, then drains the old one; one at a time.
0ms     config query=2@7
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
1050ms  ready run-3
           -> query[0] run-3 ready
           -> Drain run-1 within 5s
           -> Spawn query[1] run-4 kind 7
1060ms  status
           | query roll rolling 1/2
           |   0 ready run-3, leaving run-1, restarts 0
           |   1 ready run-2, successor run-4, restarts 0
1100ms  ready run-4
           -> query[1] run-4 ready
           -> Drain run-2 within 5s
           -> roll of query ended
           -> Reply 1: done
1200ms  exited run-1 code 0
           -> query[0] run-1 stopped: exit code 0
1300ms  exited run-2 code 0
           -> query[1] run-2 stopped: exit code 0

# A second reload while one runs: the last one wins, and both are answered when it is done.
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
1100ms  ready run-3
           -> query[0] run-3 ready
           -> Drain run-1 within 5s
           -> Spawn query[1] run-4 kind 7
1200ms  ask 2 reload query
           -> Drain run-4 within 5s
1300ms  exited run-1 code 0
           -> query[0] run-1 stopped: exit code 0
           -> Spawn query[0] run-5 kind 7
1400ms  exited run-4 code 0
           -> query[1] run-4 stopped: exit code 0
1500ms  ready run-5
           -> query[0] run-5 ready
           -> Drain run-3 within 5s
           -> Spawn query[1] run-6 kind 7
1600ms  ready run-6
           -> query[1] run-6 ready
           -> Drain run-2 within 5s
           -> roll of query ended
           -> Reply 1: done
           -> Reply 2: done

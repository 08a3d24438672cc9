# Taking a bad configuration back keeps the workers that are of the old kind anyway.
0ms     config query=2@7
           -> config 1 accepted
           -> Spawn query[0] run-1 kind 7
           -> Spawn query[1] run-2 kind 7
50ms    ready run-1
           -> query[0] run-1 ready
60ms    ready run-2
           -> query[1] run-2 ready
1s      config query=2@8
           -> config 1 accepted
           -> roll of query began
           -> Spawn query[0] run-3 kind 8
1100ms  ready run-3
           -> query[0] run-3 ready
           -> Drain run-1 within 5s
           -> Spawn query[1] run-4 kind 8
1200ms  config query=2@7
           -> config 1 accepted
           -> Drain run-4 within 5s
1300ms  exited run-4 code 0
           -> query[1] run-4 stopped: exit code 0
1400ms  exited run-1 code 0
           -> query[0] run-1 stopped: exit code 0
           -> Spawn query[0] run-5 kind 7
1500ms  ready run-5
           -> query[0] run-5 ready
           -> Drain run-3 within 5s
           -> roll of query ended

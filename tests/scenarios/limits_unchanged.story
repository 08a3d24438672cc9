# A configuration that leaves a limit as it was leaves the deadline as it was; a changed one counts anew.
0ms     config query=1@7 heartbeat=20s age=100s drain=5s
           -> config 1 accepted
           -> Spawn query[0] run-1 kind 7
50ms    ready run-1
           -> query[0] run-1 ready
10s     config query=1@7 heartbeat=20s age=100s drain=6s
           -> config 1 accepted
15s     config query=1@7 heartbeat=30s age=100s drain=6s
           -> config 1 accepted
44s     beat run-1
70s     beat run-1
 94384ms   -> roll of query began: query[0] ready for 1 minute 34 seconds, max_age is over
           -> Spawn query[0] run-2 kind 7
95s     beat run-1
96s     ready run-2
           -> query[0] run-2 ready
           -> Drain run-1 within 6s
           -> roll of query ended
97s     config query=1@7 heartbeat=30s age=10s drain=6s
           -> config 1 accepted
98s     exited run-1 code 0
           -> query[0] run-1 stopped: exit code 0
107s    ready run-3
           -> roll of query began: query[0] ready for 11 seconds, max_age is over
           -> Spawn query[0] run-3 kind 7

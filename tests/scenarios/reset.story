# A reset forgets deaths and counts, and tries again at once whoever waits or gave up.
0ms     config query=1@7 max=1
           -> config 1 accepted
           -> Spawn query[0] run-1 kind 7
100ms   exited run-1 code 3
           -> query[0] run-1 backoff 85ms: exit code 3
   185ms   -> Spawn query[0] run-2 kind 7
300ms   exited run-2 code 3
           -> query[0] run-2 failed: gave up after 2 deaths in 60s; last: exit code 3
1s      status
           | query roll idle
           |   0 failed, restarts 1, why gave up after 2 deaths in 60s; last: exit code 3, last exit code 3
2s      ask 1 reset query
           -> Reply 1: done
           -> Spawn query[0] run-3 kind 7
2001ms  status
           | query roll idle
           |   0 starting run-3, restarts 0
2100ms  exited run-3 code 3
           -> query[0] run-3 backoff 75ms: exit code 3

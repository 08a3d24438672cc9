# More deaths than max_restarts inside the window: the slot gives up, its sibling goes on.
0ms     config query=2@7 max=2
           -> config 1 accepted
           -> Spawn query[0] run-1 kind 7
           -> Spawn query[1] run-2 kind 7
10ms    ready run-2
           -> query[1] run-2 ready
20ms    exited run-1 code 3
           -> query[0] run-1 backoff 85ms: exit code 3
   105ms   -> Spawn query[0] run-3 kind 7
200ms   exited run-3 code 3
           -> query[0] run-3 backoff 162ms: exit code 3
   362ms   -> Spawn query[0] run-4 kind 7
500ms   exited run-4 code 3
           -> query[0] run-4 failed: gave up after 3 deaths in 60s; last: exit code 3
501ms   ask 1 settle
           -> Reply 1: failed: query[0]: gave up after 3 deaths in 60s; last: exit code 3
1s      status
           | query roll idle
           |   0 failed, restarts 2, why gave up after 3 deaths in 60s; last: exit code 3, last exit code 3
           |   1 ready run-2, restarts 0
# A new kind of worker forgives.
2s      config query=2@8 max=2
           -> config 1 accepted
           -> roll of query began
           -> Spawn query[1] run-5 kind 8
           -> Spawn query[0] run-6 kind 8

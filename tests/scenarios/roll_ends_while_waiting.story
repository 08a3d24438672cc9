# A roll that waits for another app ends when nothing is left to replace, whatever becomes of that app.
0ms     config db=1@1 max=1 | query=1@7 after=db when=never
           -> config 1 accepted
           -> Spawn db[0] run-1 kind 1
50ms    ready run-1
           -> db[0] run-1 ready
           -> Spawn query[0] run-2 kind 7
60ms    ready run-2
           -> query[0] run-2 ready
1s      exited run-1 code 3
           -> db[0] run-1 backoff 85ms: exit code 3
1010ms  ask 1 reload query
           -> roll of query began
1020ms  exited run-2 code 0
           -> query[0] run-2 stopped: exit code 0
           -> roll of query ended
           -> Reply 1: done
  1085ms   -> Spawn db[0] run-3 kind 1
1200ms  exited run-3 code 3
           -> db[0] run-3 failed: gave up after 2 deaths in 60s; last: exit code 3
2s      status
           | db roll idle
           |   0 failed, restarts 1, why gave up after 2 deaths in 60s; last: exit code 3, last exit code 3
           | query roll idle
           |   0 stopped, restarts 0, why exit code 0, last exit code 0, finished by policy

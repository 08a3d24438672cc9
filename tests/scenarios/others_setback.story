# Whoever awaits one app is not told of another's worker that failed, nor of what failed before.
0ms     config mail=1@1 | query=2@7
           -> config 1 accepted
           -> Spawn mail[0] run-1 kind 1
           -> Spawn query[0] run-2 kind 7
           -> Spawn query[1] run-3 kind 7
50ms    ready run-2
           -> query[0] run-2 ready
60ms    ready run-3
           -> query[1] run-3 ready
1s      ask 1 restart query[0]
           -> Drain run-2 within 5s
1010ms  exited run-1 code 3
           -> mail[0] run-1 backoff 85ms: exit code 3
1020ms  exited run-2 code 0
           -> query[0] run-2 stopped: exit code 0
           -> Spawn query[0] run-4 kind 7
  1095ms   -> Spawn mail[0] run-5 kind 1
1300ms  exited run-4 code 3
           -> query[0] run-4 backoff 81ms: exit code 3
           -> Reply 1: failed: query[0]: exit code 3
  1381ms   -> Spawn query[0] run-6 kind 7
1400ms  ready run-5
           -> mail[0] run-5 ready

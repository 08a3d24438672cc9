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
1200ms  exited run-5 code 3
           -> mail[0] run-5 backoff 162ms: exit code 3
1300ms  ready run-4
           -> query[0] run-4 ready
           -> Reply 1: done

# Who waits for an app that was scaled to nothing is told so, whether it settles, starts or reloads.
0ms     config db=1@1 | query=1@7 after=db
           -> config 1 accepted
           -> Spawn db[0] run-1 kind 1
50ms    ready run-1
           -> db[0] run-1 ready
           -> Spawn query[0] run-2 kind 7
1s      ask 1 scale db 0
           -> Reply 1: failed: `db` would have no worker left; `stop db` stops it
1100ms  exited run-1 code 0
           -> db[0] run-1 backoff 85ms: exit code 0
  1185ms   -> Spawn db[0] run-3 kind 1
2s      exited run-2 code 3
           -> query[0] run-2 backoff 81ms: exit code 3
2s      ask 2 settle
3s      ask 3 start query
4s      ask 4 reload query
           -> roll of query began
5s      ask 5 forget db
5100ms  ready run-3
           -> db[0] run-3 ready
           -> Spawn query[0] run-4 kind 7
           -> Reply 5: done
5200ms  ready run-4
           -> query[0] run-4 ready
           -> roll of query ended
           -> Reply 2: done
           -> Reply 3: done
           -> Reply 4: done
6s      ask 6 settle
           -> Reply 6: done

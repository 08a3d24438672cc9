# Who waits for an app that was scaled to nothing is told so, whether it settles, starts or reloads.
0ms     config db=1@1 | query=1@7 after=db
           -> config 1 accepted
           -> Spawn db[0] run-1 kind 1
50ms    ready run-1
           -> db[0] run-1 ready
           -> Spawn query[0] run-2 kind 7
1s      ask 1 stop db[0]
           -> Remember db[0]=stopped
           -> Drain run-1 within 5s
1100ms  exited run-1 code 0
           -> db[0] run-1 stopped: exit code 0
           -> Reply 1: done
2s      exited run-2 code 3
           -> query[0] run-2 backoff 85ms: exit code 3
2s      ask 2 settle
  2085ms   -> Reply 2: failed: query[0]: waits for `db`, which has no worker
3s      ask 3 start query
           -> Reply 3: failed: query[0]: waits for `db`, which has no worker
4s      ask 4 reload query
           -> roll of query began
           -> roll of query stopped: query[0]: waits for `db`, which has no worker
           -> Reply 4: failed: the roll of `query` stopped: query[0]: waits for `db`, which has no worker; no old worker is left
5s      ask 5 forget db
           -> Remember nothing
           -> Spawn db[0] run-3 kind 1
5100ms  ready run-3
           -> db[0] run-3 ready
           -> Spawn query[0] run-4 kind 7
           -> Reply 5: done
5200ms  ready run-4
           -> query[0] run-4 ready
           -> roll of query ended
6s      ask 6 settle
           -> Reply 6: done

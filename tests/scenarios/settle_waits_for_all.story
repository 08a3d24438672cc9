# Settle is answered once every slot is decided: one that starts may still get ready.
0ms     config db=1@1 | query=2@7 after=db
           -> config 1 accepted
           -> Spawn db[0] run-1 kind 1
50ms    ready run-1
           -> db[0] run-1 ready
           -> Spawn query[0] run-2 kind 7
           -> Spawn query[1] run-3 kind 7
100ms   exited run-2 code 3
           -> query[0] run-2 backoff 85ms: exit code 3
150ms   ask 1 stop db
           -> Remember db=stopped
           -> Drain run-1 within 5s
200ms   exited run-1 code 0
           -> db[0] run-1 stopped: exit code 0
           -> Reply 1: done
300ms   ask 2 settle
2s      ready run-3
           -> query[1] run-3 ready
           -> Reply 2: failed: query[0]: waits for `db`, which is stopped (`start` starts it)

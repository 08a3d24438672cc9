# Who depends on an app that is stopped or gave up waits for it, and whoever asked is told.
0ms     config db=1@1 max=0 | query=1@7 after=db
           -> config 1 accepted
           -> Spawn db[0] run-1 kind 1
1ms     ask 1 settle
100ms   exited run-1 code 3
           -> db[0] run-1 failed: gave up after 1 death in 60s; last: exit code 3
           -> Reply 1: failed: db[0]: gave up after 1 death in 60s; last: exit code 3; query[0]: waits for `db`, which does not serve and gave up (`start` tries again)
200ms   status
           | db roll idle
           |   0 failed, restarts 0, why gave up after 1 death in 60s; last: exit code 3, last exit code 3
           | query roll idle
           |   0 stopped, restarts 0, why waits for `db`, which does not serve and gave up (`start` tries again)
1s      ask 2 stop db
           -> Remember db=stopped
           -> db[0] stopped: stopped by an operator
           -> Reply 2: done
2s      ask 3 start query
           -> Reply 3: failed: query[0]: waits for `db`, which is stopped (`start` starts it)
3s      ask 4 start db
           -> Remember nothing
           -> Spawn db[0] run-2 kind 1
3100ms  ready run-2
           -> db[0] run-2 ready
           -> Spawn query[0] run-3 kind 7
           -> Reply 4: done
3200ms  ready run-3
           -> query[0] run-3 ready
4s      ask 5 settle
           -> Reply 5: done

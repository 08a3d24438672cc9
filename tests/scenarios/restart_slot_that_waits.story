# Whoever asks for a slot that cannot be filled is told, even when another slot waits as well.
0ms     config db=1@1 | query=2@7 after=db
           -> config 1 accepted
           -> Spawn db[0] run-1 kind 1
50ms    ready run-1
           -> db[0] run-1 ready
           -> Spawn query[0] run-2 kind 7
           -> Spawn query[1] run-3 kind 7
60ms    ready run-2
           -> query[0] run-2 ready
70ms    ready run-3
           -> query[1] run-3 ready
1s      ask 1 stop db
           -> Remember db=stopped
           -> Drain run-1 within 5s
1100ms  exited run-1 code 0
           -> db[0] run-1 stopped: exit code 0
           -> Reply 1: done
2s      ask 2 restart query[0]
           -> Drain run-2 within 5s
2100ms  exited run-2 code 0
           -> query[0] run-2 stopped: exit code 0
           -> Reply 2: failed: query[0]: waits for `db`, which is stopped (`start` starts it)
3s      ask 3 restart query[1]
           -> Drain run-3 within 5s
3100ms  exited run-3 code 0
           -> query[1] run-3 stopped: exit code 0
           -> Reply 3: failed: query[1]: waits for `db`, which is stopped (`start` starts it)

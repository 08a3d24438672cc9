# Who forgets everything waits for those of whom there is something to forget, and for nobody else.
0ms     config db=1@1 | query=1@7
           -> config 1 accepted
           -> Spawn db[0] run-1 kind 1
           -> Spawn query[0] run-2 kind 7
50ms    ready run-1
           -> db[0] run-1 ready
60ms    exited run-2 code 78
           -> query[0] run-2 failed: exit code 78 (configuration refused)
1s      ask 1 scale db 2
           -> Remember db=2
           -> Spawn db[1] run-3 kind 1
1100ms  ready run-3
           -> db[1] run-3 ready
           -> Reply 1: done
2s      ask 2 forget all
           -> Remember nothing
           -> Drain run-3 within 5s
2100ms  exited run-3 code 0
           -> db[1] run-3 stopped: exit code 0
           -> Reply 2: done
3s      ask 3 forget all
           -> Reply 3: done
4s      ask 4 forget query
           -> Reply 4: done

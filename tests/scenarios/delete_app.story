# A deleted app leaves the picture; the file brings it back when it is started or the change forgotten.
0ms     config mail=1@1 | query=1@7
           -> config 1 accepted
           -> Spawn mail[0] run-1 kind 1
           -> Spawn query[0] run-2 kind 7
50ms    ready run-1
           -> mail[0] run-1 ready
60ms    ready run-2
           -> query[0] run-2 ready
1s      ask 1 delete mail
           -> Remember mail=deleted
           -> Drain run-1 within 5s
1100ms  exited run-1 code 0
           -> mail[0] run-1 stopped: exit code 0
           -> Reply 1: done
1200ms  status
           | changed: mail=deleted
           | query roll idle
           |   0 ready run-2, restarts 0
2s      ask 2 restart mail
           -> Reply 2: failed: there is no app `mail`; there are: query; `start` brings a deleted one back
2100ms  ask 3 start mail
           -> Remember nothing
           -> Spawn mail[0] run-3 kind 1
2200ms  ready run-3
           -> mail[0] run-3 ready
           -> Reply 3: done
3s      ask 4 delete mail
           -> Remember mail=deleted
           -> Drain run-3 within 5s
3100ms  exited run-3 code 0
           -> mail[0] run-3 stopped: exit code 0
           -> Reply 4: done
4s      ask 5 forget all
           -> Remember nothing
           -> Spawn mail[0] run-4 kind 1
4100ms  ready run-4
           -> mail[0] run-4 ready
           -> Reply 5: done

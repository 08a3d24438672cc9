# What operators changed under an earlier supervisor holds from the first configuration on.
0ms     remembered query=3 mail=stopped gone=stopped
1ms     config mail=1@1 | query=1@7
           -> config 1 accepted
           -> Spawn query[0] run-1 kind 7
           -> Spawn query[1] run-2 kind 7
           -> Spawn query[2] run-3 kind 7
50ms    ready run-1
           -> query[0] run-1 ready
60ms    ready run-2
           -> query[1] run-2 ready
70ms    ready run-3
           -> query[2] run-3 ready
100ms   status
           | changed: gone=stopped mail=stopped query=3
           | mail roll idle
           |   0 stopped, restarts 0, why stopped by an operator
           | query roll idle
           |   0 ready run-1, restarts 0
           |   1 ready run-2, restarts 0
           |   2 ready run-3, restarts 0
1s      ask 1 forget gone
           -> Remember mail=stopped query=3
           -> Reply 1: done
2s      ask 2 forget mail
           -> Remember query=3
           -> Spawn mail[0] run-4 kind 1
2100ms  ready run-4
           -> mail[0] run-4 ready
           -> Reply 2: done

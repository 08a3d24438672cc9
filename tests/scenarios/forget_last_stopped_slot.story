# Forgetting the only slot that was stopped leaves no change behind.
0ms     config query=2@7
           -> config 1 accepted
           -> Spawn query[0] run-1 kind 7
           -> Spawn query[1] run-2 kind 7
50ms    ready run-1
           -> query[0] run-1 ready
60ms    ready run-2
           -> query[1] run-2 ready
1s      ask 1 stop query[1]
           -> Remember query[1]=stopped
           -> Drain run-2 within 5s
1100ms  exited run-2 code 0
           -> query[1] run-2 stopped: exit code 0
           -> Reply 1: done
2s      ask 2 forget query[1]
           -> Remember nothing
           -> Spawn query[1] run-3 kind 7
2100ms  status
           | query roll idle
           |   0 ready run-1, restarts 0
           |   1 starting run-3, restarts 0, last exit code 0

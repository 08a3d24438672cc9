# A change ends when the file says the same: from then on the file is followed.
0ms     config query=1@7
           -> config 1 accepted
           -> Spawn query[0] run-1 kind 7
50ms    ready run-1
           -> query[0] run-1 ready
1s      ask 1 scale query 2
           -> Remember query=2
           -> Spawn query[1] run-2 kind 7
1050ms  ready run-2
           -> query[1] run-2 ready
           -> Reply 1: done
2s      config query=2@7
           -> config 1 accepted
           -> Remember nothing
2050ms  status
           | query roll idle
           |   0 ready run-1, restarts 0
           |   1 ready run-2, restarts 0
3s      config query=1@7
           -> config 1 accepted
           -> Drain run-2 within 5s
3050ms  exited run-2 code 0
           -> query[1] run-2 stopped: exit code 0
3100ms  status
           | query roll idle
           |   0 ready run-1, restarts 0

# The old worker dies while its successor starts: the successor takes the slot, without a wait.
0ms     config query=1@7
           -> config 1 accepted
           -> Spawn query[0] run-1 kind 7
50ms    ready run-1
           -> query[0] run-1 ready
1s      ask 1 reload query
           -> roll of query began
           -> Spawn query[0] run-2 kind 7
1100ms  exited run-1 signal 11
           -> query[0] run-1 stopped: killed by SIGSEGV
1101ms  status
           | query roll rolling 0/1
           |   0 starting run-2, restarts 0, last killed by SIGSEGV
1200ms  ready run-2
           -> query[0] run-2 ready
           -> roll of query ended
           -> Reply 1: done

# A file that is right again and means what is in force clears the problem and touches nobody; not
# even a roll that stopped is tried again.
0ms     config query=1@7
           -> config 1 accepted
           -> Spawn query[0] run-1 kind 7
50ms    ready run-1
           -> query[0] run-1 ready
1s      config query=1@8
           -> config 1 accepted
           -> roll of query began
           -> Spawn query[0] run-2 kind 8
2s      boot-failed run-2 no table
2001ms  exited run-2 code 1
           -> query[0] run-2 stopped: exit code 1: no table
           -> roll of query stopped: query[0]: exit code 1: no table
3s      rejected line 1
           -> config rejected: line 1
4s      rejected line 1
5s      unchanged 3
5001ms  status
           | query roll stopped: query[0]: exit code 1: no table
           |   0 ready run-1, restarts 0, last exit code 1: no table

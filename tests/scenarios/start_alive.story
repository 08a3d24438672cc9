# A program that cannot say that it is ready is ready once it has been alive for a while.
0ms     config mail=1@7 alive=1s
           -> config 1 accepted
           -> Spawn mail[0] run-1 kind 7
1ms     ask 1 settle
  1000ms   -> mail[0] run-1 ready
           -> Reply 1: done
2s      status
           | mail roll idle
           |   0 ready run-1, restarts 0

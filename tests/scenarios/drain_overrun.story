# A worker that does not leave within its grace is killed, and told of while it will not die.
0ms     config query=1@7 drain=5s
           -> config 1 accepted
           -> Spawn query[0] run-1 kind 7
10ms    ready run-1
           -> query[0] run-1 ready
1s      shutdown
           -> shutting down
           -> Drain run-1 within 5s
  6000ms   -> Kill run-1 DrainOverrun
 16000ms   -> query[0] run-1 stuck for 10s
 76000ms   -> query[0] run-1 stuck for 70s
80s     exited run-1 signal 9
           -> query[0] run-1 stopped: killed: still there after 5s
           -> Exit

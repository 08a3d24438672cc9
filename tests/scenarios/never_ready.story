# A worker that is not ready in time is killed, and that is a death.
0ms     config query=1@7 start=10s
           -> config 1 accepted
           -> Spawn query[0] run-1 kind 7
 10000ms   -> Kill run-1 NeverReady
10010ms exited run-1 signal 9
           -> query[0] run-1 backoff 85ms: killed: not ready within 10s
 10095ms   -> Spawn query[0] run-2 kind 7
11s     status
           | query roll idle
           |   0 starting run-2, restarts 1, last killed: not ready within 10s

# A ready worker that is not heard of is killed; a sign of life counts even if it comes late.
0ms     config query=1@7 heartbeat=3s
           -> config 1 accepted
           -> Spawn query[0] run-1 kind 7
10ms    ready run-1
           -> query[0] run-1 ready
3s      beat run-1
6s      beat run-1
  9000ms   -> Kill run-1 HeartbeatLost
9010ms  exited run-1 signal 9
           -> query[0] run-1 backoff 85ms: killed: not heard of for 3s

# A worker that is being killed when a restart is asked for would have had to go: its end is no death.
0ms     config query=1@7 heartbeat=5s max=0
           -> config 1 accepted
           -> Spawn query[0] run-1 kind 7
50ms    ready run-1
           -> query[0] run-1 ready
  5050ms   -> Kill run-1 HeartbeatLost
6s      ask 1 restart query
6100ms  exited run-1 signal 9
           -> query[0] run-1 stopped: killed: not heard of for 5s
           -> Spawn query[0] run-2 kind 7
6200ms  ready run-2
           -> query[0] run-2 ready
           -> Reply 1: done

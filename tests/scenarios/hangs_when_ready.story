# The time in which a worker hung is no service: one that hangs right after it was ready is no stable one.
0ms     config query=2@7 heartbeat=20s stable=10s
           -> config 1 accepted
           -> Spawn query[0] run-1 kind 7
           -> Spawn query[1] run-2 kind 7
50ms    ready run-1
           -> query[0] run-1 ready
60ms    ready run-2
           -> query[1] run-2 ready
1s      beat run-2
11s     beat run-2
12s     ask 1 reload query
           -> roll of query began
           -> Spawn query[0] run-3 kind 7
12100ms ready run-3
           -> query[0] run-3 ready
           -> Drain run-1 within 5s
           -> Spawn query[1] run-4 kind 7
12200ms exited run-1 code 0
           -> query[0] run-1 stopped: exit code 0
12300ms ready run-4
           -> query[1] run-4 ready
           -> Drain run-2 within 5s
           -> roll of query ended
           -> Reply 1: done
12400ms exited run-2 code 0
           -> query[1] run-2 stopped: exit code 0
 32100ms   -> Kill run-3 HeartbeatLost
32110ms exited run-3 signal 9
           -> query[0] run-3 backoff 85ms: killed: not heard of for 20s

# Changed limits hold at once for whoever is there, and count from then on.
0ms     config query=1@7 heartbeat=20s age=100s | mail=1@1 start=10s | job=1@3 backoff=5s max=9
           -> config 1 accepted
           -> Spawn job[0] run-1 kind 3
           -> Spawn mail[0] run-2 kind 1
           -> Spawn query[0] run-3 kind 7
50ms    ready run-3
           -> query[0] run-3 ready
60ms    exited run-1 code 1
           -> job[0] run-1 backoff 81ms: exit code 1
# The wait of a job that failed again and again is two and a half seconds, the new limit one.
   141ms   -> Spawn job[0] run-4 kind 3
200ms   exited run-4 code 1
           -> job[0] run-4 backoff 151ms: exit code 1
   351ms   -> Spawn job[0] run-5 kind 3
500ms   exited run-5 code 1
           -> job[0] run-5 backoff 355ms: exit code 1
   855ms   -> Spawn job[0] run-6 kind 3
1s      exited run-6 code 1
           -> job[0] run-6 backoff 711ms: exit code 1
  1711ms   -> Spawn job[0] run-7 kind 3
2s      exited run-7 code 1
           -> job[0] run-7 backoff 1294ms: exit code 1
  3294ms   -> Spawn job[0] run-8 kind 3
4s      exited run-8 code 1
           -> job[0] run-8 backoff 2498ms: exit code 1
5s      config query=1@7 heartbeat=5s age=3s | mail=1@1 start=2s | job=1@3 backoff=1s max=9
           -> config 1 accepted
  6000ms   -> Spawn job[0] run-9 kind 3
  7000ms   -> Kill run-2 NeverReady
  8000ms   -> roll of query began: query[0] ready for 8 seconds, max_age is over
           -> Spawn query[0] run-10 kind 7
9s      beat run-3
 14000ms   -> Kill run-3 HeartbeatLost
 16000ms   -> Kill run-9 NeverReady
 17000ms   -> mail[0] run-2 stuck for 10s
 18000ms   -> Kill run-10 NeverReady
           -> roll of query stopped: query[0]: killed: not ready within 10s
20s     status
           | job roll idle
           |   0 killing run-9, restarts 6, why killed: not ready within 10s, last exit code 1
           | mail roll idle
           |   0 killing run-2, restarts 0, why killed: not ready within 2s
           | query roll stopped: query[0]: killed: not ready within 10s
           |   0 killing run-3, leaving run-10, restarts 0, why killed: not heard of for 5s

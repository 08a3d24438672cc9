# Who depends on an app is rolled after it: a broken release of one takes down nobody else.
0ms     config base=1@1 replace=1 | web=1@1 replace=1 after=base
           -> config 1 accepted
           -> Spawn base[0] run-1 kind 1
50ms    ready run-1
           -> base[0] run-1 ready
           -> Spawn web[0] run-2 kind 1
60ms    ready run-2
           -> web[0] run-2 ready
1s      ask 1 reload all
           -> roll of base began
           -> roll of web began
           -> Drain run-1 within 5s
1100ms  exited run-1 code 0
           -> base[0] run-1 stopped: exit code 0
           -> Spawn base[0] run-3 kind 1
1200ms  exited run-3 code 1
           -> base[0] run-3 backoff 85ms: exit code 1
           -> roll of base stopped: base[0]: exit code 1
  1285ms   -> Spawn base[0] run-4 kind 1
2s      status
           | base roll stopped: base[0]: exit code 1
           |   0 starting run-4, restarts 1, last exit code 1
           | web roll rolling 0/1
           |   0 ready run-2, restarts 0
3s      ready run-4
           -> base[0] run-4 ready
           -> roll of base ended
           -> Drain run-2 within 5s
4s      ask 2 reload all
           -> roll of base began
           -> Drain run-4 within 5s
4100ms  exited run-4 code 0
           -> base[0] run-4 stopped: exit code 0
           -> Spawn base[0] run-5 kind 1
4200ms  ready run-5
           -> base[0] run-5 ready
           -> roll of base ended
4300ms  exited run-2 code 0
           -> web[0] run-2 stopped: exit code 0
           -> Spawn web[0] run-6 kind 1
4400ms  ready run-6
           -> web[0] run-6 ready
           -> roll of web ended
           -> Reply 1: done
           -> Reply 2: done

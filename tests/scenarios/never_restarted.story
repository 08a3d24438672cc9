# With never, a death is the end; while a roll's successor starts, it is not even counted.
0ms     config job=1@7 when=never
           -> config 1 accepted
           -> Spawn job[0] run-1 kind 7
10ms    ready run-1
           -> job[0] run-1 ready
20ms    exited run-1 code 3
           -> job[0] run-1 stopped: exit code 3
30ms    status
           | job roll idle
           |   0 stopped, restarts 0, why exit code 3, last exit code 3, finished by policy
1s      config job=1@8 when=never
           -> config 1 accepted
           -> roll of job began
           -> Spawn job[0] run-2 kind 8
1100ms  ready run-2
           -> job[0] run-2 ready
           -> roll of job ended
2s      config job=1@9 when=never
           -> config 1 accepted
           -> roll of job began
           -> Spawn job[0] run-3 kind 9
2100ms  exited run-2 code 3
           -> job[0] run-2 stopped: exit code 3
2200ms  config job=1@9 when=always
           -> config 1 accepted
2300ms  exited run-3 code 3
           -> job[0] run-3 backoff 85ms: exit code 3
           -> roll of job stopped: job[0]: exit code 3

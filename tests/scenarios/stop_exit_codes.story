# By an exit code that the file names, a worker says that it is done, whatever the policy.
0ms     config job=1@1 done=0,3
           -> config 1 accepted
           -> Spawn job[0] run-1 kind 1
1s      exited run-1 code 3
           -> job[0] run-1 stopped: exit code 3
60s     status
           | job roll idle
           |   0 stopped, restarts 0, why exit code 3, last exit code 3, finished by its exit code
61s     ask 1 start job
           -> Spawn job[0] run-2 kind 1
62s     exited run-2 code 4
           -> job[0] run-2 backoff 85ms: exit code 4
           -> Reply 1: failed: job[0]: exit code 4
 62085ms   -> Spawn job[0] run-3 kind 1
63s     exited run-3 code 0
           -> job[0] run-3 stopped: exit code 0

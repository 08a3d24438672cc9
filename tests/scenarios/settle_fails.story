# Three failed starts of one slot are an answer: nobody waits for the whole budget.
0ms     config query=1@7 max=10
           -> config 1 accepted
           -> Spawn query[0] run-1 kind 7
1ms     ask 1 settle
10ms    boot-failed run-1 cannot open /data/key.p8: permission denied
11ms    exited run-1 code 1
           -> query[0] run-1 backoff 85ms: exit code 1: cannot open /data/key.p8: permission denied
    96ms   -> Spawn query[0] run-2 kind 7
200ms   boot-failed run-2 cannot open /data/key.p8: permission denied
201ms   exited run-2 code 1
           -> query[0] run-2 backoff 162ms: exit code 1: cannot open /data/key.p8: permission denied
   363ms   -> Spawn query[0] run-3 kind 7
500ms   exited run-3 code 1
           -> query[0] run-3 backoff 302ms: exit code 1
           -> Reply 1: failed: query[0]: failed to start 3 times; last: exit code 1

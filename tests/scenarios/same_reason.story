# Slots that fail for one reason are told in one breath.
0ms     config query=7@7 max=2
           -> config 1 accepted
           -> Spawn query[0] run-1 kind 7
           -> Spawn query[1] run-2 kind 7
           -> Spawn query[2] run-3 kind 7
           -> Spawn query[3] run-4 kind 7
           -> Spawn query[4] run-5 kind 7
           -> Spawn query[5] run-6 kind 7
           -> Spawn query[6] run-7 kind 7
10ms    exited run-1 code 78
           -> query[0] run-1 failed: exit code 78 (configuration refused)
11ms    exited run-2 code 78
           -> query[1] run-2 failed: exit code 78 (configuration refused)
12ms    exited run-3 code 78
           -> query[2] run-3 failed: exit code 78 (configuration refused)
13ms    exited run-4 code 3
           -> query[3] run-4 backoff 85ms: exit code 3
13ms    exited run-5 code 78
           -> query[4] run-5 failed: exit code 78 (configuration refused)
14ms    exited run-6 code 78
           -> query[5] run-6 failed: exit code 78 (configuration refused)
15ms    exited run-7 code 78
           -> query[6] run-7 failed: exit code 78 (configuration refused)
16ms    ask 1 settle
    98ms   -> Spawn query[3] run-8 kind 7
200ms   exited run-8 code 125
           -> query[3] run-8 failed: exit code 125 (do not start again)
           -> Reply 1: failed: query[0], query[1], query[2], query[4], query[5], and 1 more: exit code 78 (configuration refused); query[3]: exit code 125 (do not start again)

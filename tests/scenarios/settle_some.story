# Whoever asks for one app neither waits for another one nor hears of its failure.
0ms     config db=1@1 | query=1@7
           -> config 1 accepted
           -> Spawn db[0] run-1 kind 1
           -> Spawn query[0] run-2 kind 7
60ms    ready run-1
           -> db[0] run-1 ready
70ms    ask 1 settle db
           -> Reply 1: done
80ms    ask 2 settle query
90ms    ask 3 settle
100ms   exited run-2 code 78
           -> query[0] run-2 failed: exit code 78 (configuration refused)
           -> Reply 2: failed: query[0]: exit code 78 (configuration refused)
           -> Reply 3: failed: query[0]: exit code 78 (configuration refused)

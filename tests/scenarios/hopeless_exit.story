# Exit code 78 says that trying again cannot help.
0ms     config query=1@7
           -> config 1 accepted
           -> Spawn query[0] run-1 kind 7
1ms     ask 1 settle
10ms    boot-failed run-1 settings name no account
11ms    exited run-1 code 78
           -> query[0] run-1 failed: exit code 78 (configuration refused): settings name no account
           -> Reply 1: failed: query[0]: exit code 78 (configuration refused): settings name no account
60s     status
           | query roll idle
           |   0 failed, restarts 0, why exit code 78 (configuration refused): settings name no account, last exit code 78 (configuration refused): settings name no account
# A person may ask all the same.
61s     ask 2 restart query
           -> Spawn query[0] run-2 kind 7
62s     ready run-2
           -> query[0] run-2 ready
           -> Reply 2: done

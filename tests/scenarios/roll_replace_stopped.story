# A replacement that dies stops the roll; the slots that were not touched go on.
0ms     config mail=2@7 replace=1
           -> config 1 accepted
           -> Spawn mail[0] run-1 kind 7
           -> Spawn mail[1] run-2 kind 7
50ms    ready run-1
           -> mail[0] run-1 ready
60ms    ready run-2
           -> mail[1] run-2 ready
1s      ask 1 reload mail
           -> roll of mail began
           -> Drain run-1 within 5s
1100ms  exited run-1 code 0
           -> mail[0] run-1 stopped: exit code 0
           -> Spawn mail[0] run-3 kind 7
1200ms  exited run-3 code 2
           -> mail[0] run-3 backoff 85ms: exit code 2
           -> roll of mail stopped: mail[0]: exit code 2
           -> Reply 1: failed: the roll of `mail` stopped: mail[0]: exit code 2; the old workers go on serving
  1285ms   -> Spawn mail[0] run-4 kind 7
2s      status
           | mail roll stopped: mail[0]: exit code 2
           |   0 starting run-4, restarts 1, last exit code 2
           |   1 ready run-2, restarts 0

# An app that was removed and is wanted again before its worker left starts without a past.
0ms     config mail=1@1 max=2
           -> config 1 accepted
           -> Spawn mail[0] run-1 kind 1
50ms    exited run-1 code 3
           -> mail[0] run-1 backoff 85ms: exit code 3
   135ms   -> Spawn mail[0] run-2 kind 1
200ms   exited run-2 code 3
           -> mail[0] run-2 backoff 162ms: exit code 3
   362ms   -> Spawn mail[0] run-3 kind 1
500ms   ready run-3
           -> mail[0] run-3 ready
1s      config
           -> config 1 accepted
           -> Drain run-3 within 5s
2s      config mail=1@1 max=2
           -> config 1 accepted
3s      exited run-3 code 0
           -> mail[0] run-3 stopped: exit code 0
           -> Spawn mail[0] run-4 kind 1
3100ms  exited run-4 code 3
           -> mail[0] run-4 backoff 75ms: exit code 3

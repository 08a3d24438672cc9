# A program that owns its port cannot run twice: the old one leaves before the new one starts.
0ms     config mail=2@7 replace=1
           -> config 1 accepted
           -> Spawn mail[0] run-1 kind 7
           -> Spawn mail[1] run-2 kind 7
50ms    ready run-1
           -> mail[0] run-1 ready
60ms    ready run-2
           -> mail[1] run-2 ready
1s      config mail=2@8 replace=1
           -> config 1 accepted
           -> roll of mail began
           -> Drain run-1 within 5s
1100ms  exited run-1 code 0
           -> mail[0] run-1 stopped: exit code 0
           -> Spawn mail[0] run-3 kind 8
1200ms  ready run-3
           -> mail[0] run-3 ready
           -> Drain run-2 within 5s
1300ms  exited run-2 code 0
           -> mail[1] run-2 stopped: exit code 0
           -> Spawn mail[1] run-4 kind 8
1400ms  ready run-4
           -> mail[1] run-4 ready
           -> roll of mail ended

# Stopping drains everybody at once, the successor too; the answer comes when nobody is left.
0ms     config query=2@7 | mail=1@1
           -> config 1 accepted
           -> Spawn mail[0] run-1 kind 1
           -> Spawn query[0] run-2 kind 7
           -> Spawn query[1] run-3 kind 7
50ms    ready run-1
           -> mail[0] run-1 ready
60ms    ready run-2
           -> query[0] run-2 ready
70ms    ready run-3
           -> query[1] run-3 ready
1s      ask 1 reload mail
           -> roll of mail began
           -> Spawn mail[0] run-4 kind 1
2s      ask 2 shutdown
           -> shutting down
           -> Reply 1: failed: the service is ending
           -> Drain run-4 within 5s
           -> Drain run-1 within 5s
           -> Drain run-2 within 5s
           -> Drain run-3 within 5s
2001ms  ask 3 settle
           -> Reply 3: failed: the service is ending
2010ms  config query=9@9
2100ms  exited run-1 code 0
           -> mail[0] run-1 stopped: exit code 0
2200ms  exited run-2 code 0
           -> query[0] run-2 stopped: exit code 0
2300ms  exited run-3 code 0
           -> query[1] run-3 stopped: exit code 0
2400ms  exited run-4 code 0
           -> mail[0] run-4 stopped: exit code 0
           -> Reply 2: done
           -> Exit

# A signal goes to those who run within the scope.
0ms     config mail=1@1 | query=2@7
           -> config 1 accepted
           -> Spawn mail[0] run-1 kind 1
           -> Spawn query[0] run-2 kind 7
           -> Spawn query[1] run-3 kind 7
50ms    ready run-1
           -> mail[0] run-1 ready
1s      ask 1 signal 10 query
           -> Signal run-2 10
           -> Signal run-3 10
           -> Reply 1: done
2s      ask 2 signal 1 query[1]
           -> Signal run-3 1
           -> Reply 2: done
3s      ask 3 stop mail
           -> Remember mail=stopped
           -> Drain run-1 within 5s
3100ms  exited run-1 code 0
           -> mail[0] run-1 stopped: exit code 0
           -> Reply 3: done
4s      ask 4 signal 1 mail
           -> Reply 4: failed: no process runs there

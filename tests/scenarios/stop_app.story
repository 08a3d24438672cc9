# A stopped app stays stopped over a reload and a new configuration, until it is started.
0ms     config mail=1@1 | query=2@7
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
1s      ask 1 stop query
           -> Remember query=stopped
           -> Drain run-2 within 5s
           -> Drain run-3 within 5s
1100ms  exited run-2 code 0
           -> query[0] run-2 stopped: exit code 0
1200ms  exited run-3 code 0
           -> query[1] run-3 stopped: exit code 0
           -> Reply 1: done
2s      ask 2 reload all
           -> roll of mail began
           -> Spawn mail[0] run-4 kind 1
2100ms  ready run-4
           -> mail[0] run-4 ready
           -> Drain run-1 within 5s
           -> roll of mail ended
           -> Reply 2: done
2200ms  exited run-1 code 0
           -> mail[0] run-1 stopped: exit code 0
3s      config mail=1@1 | query=3@8
           -> config 1 accepted
3001ms  status
           | changed: query=stopped
           | mail roll idle
           |   0 ready run-4, restarts 0, last exit code 0
           | query roll idle
           |   0 stopped, restarts 0, why stopped by an operator, last exit code 0
           |   1 stopped, restarts 0, why stopped by an operator, last exit code 0
           |   2 stopped, restarts 0, why stopped by an operator
4s      ask 3 start query
           -> Remember nothing
           -> Spawn query[0] run-5 kind 8
           -> Spawn query[1] run-6 kind 8
           -> Spawn query[2] run-7 kind 8
4100ms  ready run-5
           -> query[0] run-5 ready
4200ms  ready run-6
           -> query[1] run-6 ready
4300ms  ready run-7
           -> query[2] run-7 ready
           -> Reply 3: done
5s      ask 4 stop nobody
           -> Reply 4: failed: there is no app `nobody`; there are: mail, query

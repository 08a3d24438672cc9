# One slot can be stopped and started; starting one slot of a stopped app leaves the others alone.
0ms     config query=3@7
           -> config 1 accepted
           -> Spawn query[0] run-1 kind 7
           -> Spawn query[1] run-2 kind 7
           -> Spawn query[2] run-3 kind 7
50ms    ready run-1
           -> query[0] run-1 ready
60ms    ready run-2
           -> query[1] run-2 ready
70ms    ready run-3
           -> query[2] run-3 ready
1s      ask 1 stop query[1]
           -> Remember query[1]=stopped
           -> Drain run-2 within 5s
1100ms  exited run-2 code 0
           -> query[1] run-2 stopped: exit code 0
           -> Reply 1: done
1200ms  status
           | changed: query[1]=stopped
           | query roll idle
           |   0 ready run-1, restarts 0
           |   1 stopped, restarts 0, why stopped by an operator, last exit code 0
           |   2 ready run-3, restarts 0
2s      ask 2 stop query
           -> Remember query=stopped query[1]=stopped
           -> Drain run-1 within 5s
           -> Drain run-3 within 5s
2100ms  exited run-1 code 0
           -> query[0] run-1 stopped: exit code 0
2200ms  exited run-3 code 0
           -> query[2] run-3 stopped: exit code 0
           -> Reply 2: done
3s      ask 3 start query[0]
           -> Remember query[1]=stopped query[2]=stopped
           -> Spawn query[0] run-4 kind 7
3100ms  ready run-4
           -> query[0] run-4 ready
           -> Reply 3: done
3200ms  status
           | changed: query[1]=stopped query[2]=stopped
           | query roll idle
           |   0 ready run-4, restarts 0, last exit code 0
           |   1 stopped, restarts 0, why stopped by an operator, last exit code 0
           |   2 stopped, restarts 0, why stopped by an operator, last exit code 0
4s      ask 4 restart query[0]
           -> Drain run-4 within 5s
4100ms  exited run-4 code 0
           -> query[0] run-4 stopped: exit code 0
           -> Spawn query[0] run-5 kind 7
4200ms  ready run-5
           -> query[0] run-5 ready
           -> Reply 4: done
5s      ask 5 start all
           -> Remember nothing
           -> Spawn query[1] run-6 kind 7
           -> Spawn query[2] run-7 kind 7
5100ms  ready run-6
           -> query[1] run-6 ready
5200ms  ready run-7
           -> query[2] run-7 ready
           -> Reply 5: done
6s      ask 6 stop query[3]
           -> Reply 6: failed: there is no slot query[3]; `query` has 3, counted from 0
6100ms  ask 7 delete query[0]
           -> Reply 7: failed: a single slot cannot be deleted; `stop query[0]` stops it, `scale query N` changes how many there are

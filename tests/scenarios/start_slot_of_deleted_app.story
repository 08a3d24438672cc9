# Starting one slot of an app that was deleted and has left starts that slot, and no other.
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
1s      ask 1 delete query
           -> Remember query=deleted
           -> Drain run-1 within 5s
           -> Drain run-2 within 5s
           -> Drain run-3 within 5s
1100ms  exited run-1 code 0
           -> query[0] run-1 stopped: exit code 0
1100ms  exited run-2 code 0
           -> query[1] run-2 stopped: exit code 0
1100ms  exited run-3 code 0
           -> query[2] run-3 stopped: exit code 0
           -> Reply 1: done
2s      ask 2 start query[3]
           -> Reply 2: failed: there is no slot query[3]; `query` has 3, counted from 0
3s      ask 3 start query[1]
           -> Remember query[0]=stopped query[2]=stopped
           -> Spawn query[1] run-4 kind 7
3100ms  ready run-4
           -> query[1] run-4 ready
           -> Reply 3: done
3200ms  status
           | changed: query[0]=stopped query[2]=stopped
           | query roll idle
           |   0 stopped, restarts 0, why stopped by an operator
           |   1 ready run-4, restarts 0
           |   2 stopped, restarts 0, why stopped by an operator

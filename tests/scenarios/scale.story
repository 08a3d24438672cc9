# The number of workers can be changed at run time; the file's number is no change any more.
0ms     config query=2@7
           -> config 1 accepted
           -> Spawn query[0] run-1 kind 7
           -> Spawn query[1] run-2 kind 7
50ms    ready run-1
           -> query[0] run-1 ready
60ms    ready run-2
           -> query[1] run-2 ready
1s      ask 1 scale query +1
           -> Remember query=3
           -> Spawn query[2] run-3 kind 7
1100ms  ready run-3
           -> query[2] run-3 ready
           -> Reply 1: done
2s      config query=2@8
           -> config 1 accepted
           -> roll of query began
           -> Spawn query[0] run-4 kind 8
2100ms  ready run-4
           -> query[0] run-4 ready
           -> Drain run-1 within 5s
           -> Spawn query[1] run-5 kind 8
2200ms  exited run-1 code 0
           -> query[0] run-1 stopped: exit code 0
2300ms  ready run-5
           -> query[1] run-5 ready
           -> Drain run-2 within 5s
           -> Spawn query[2] run-6 kind 8
2400ms  exited run-2 code 0
           -> query[1] run-2 stopped: exit code 0
2500ms  ready run-6
           -> query[2] run-6 ready
           -> Drain run-3 within 5s
           -> roll of query ended
2600ms  exited run-3 code 0
           -> query[2] run-3 stopped: exit code 0
3s      ask 2 scale query -2
           -> Remember query=1
           -> Drain run-5 within 5s
           -> Drain run-6 within 5s
3100ms  exited run-6 code 0
           -> query[2] run-6 stopped: exit code 0
3200ms  exited run-5 code 0
           -> query[1] run-5 stopped: exit code 0
           -> Reply 2: done
3300ms  status
           | changed: query=1
           | query roll idle
           |   0 ready run-4, restarts 0, last exit code 0
4s      ask 3 scale query 2
           -> Remember nothing
           -> Spawn query[1] run-7 kind 8
4100ms  ready run-7
           -> query[1] run-7 ready
           -> Reply 3: done
5s      ask 4 scale query 300
           -> Reply 4: failed: `query` cannot have 300 workers; 256 at most

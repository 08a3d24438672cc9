# A restart stops all workers at once and starts them again; it is done when all serve.
0ms     config query=2@7
           -> config 1 accepted
           -> Spawn query[0] run-1 kind 7
           -> Spawn query[1] run-2 kind 7
50ms    ready run-1
           -> query[0] run-1 ready
1s      ask 1 restart query
           -> Drain run-1 within 5s
           -> Drain run-2 within 5s
1100ms  exited run-1 code 0
           -> query[0] run-1 stopped: exit code 0
           -> Spawn query[0] run-3 kind 7
1200ms  exited run-2 code 0
           -> query[1] run-2 stopped: exit code 0
           -> Spawn query[1] run-4 kind 7
1300ms  ready run-3
           -> query[0] run-3 ready
1400ms  ready run-4
           -> query[1] run-4 ready
           -> Reply 1: done
2s      ask 2 restart all
           -> Drain run-3 within 5s
           -> Drain run-4 within 5s
2100ms  exited run-3 code 0
           -> query[0] run-3 stopped: exit code 0
           -> Spawn query[0] run-5 kind 7
2200ms  exited run-5 code 2
           -> query[0] run-5 backoff 85ms: exit code 2
           -> Reply 2: failed: query[0]: exit code 2
  2285ms   -> Spawn query[0] run-6 kind 7
3s      ask 3 restart qwery
           -> Reply 3: failed: there is no app `qwery`; there are: query

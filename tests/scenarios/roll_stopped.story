# A bad release stops its own roll: the old workers go on, and the operator hears why.
0ms     config query=2@7
           -> config 1 accepted
           -> Spawn query[0] run-1 kind 7
           -> Spawn query[1] run-2 kind 7
50ms    ready run-1
           -> query[0] run-1 ready
60ms    ready run-2
           -> query[1] run-2 ready
# A configuration and the wish to reload at one moment start one new worker, not two.
1s      config query=2@8
           -> config 1 accepted
           -> roll of query began
           -> Spawn query[0] run-3 kind 8
1s      ask 1 reload query
1100ms  boot-failed run-3 unknown setting `sheme`
1101ms  exited run-3 code 1
           -> query[0] run-3 stopped: exit code 1: unknown setting `sheme`
           -> roll of query stopped: query[0]: exit code 1: unknown setting `sheme`
           -> Reply 1: failed: the roll of `query` stopped: query[0]: exit code 1: unknown setting `sheme`; the old workers go on serving
2s      status
           | query roll stopped: query[0]: exit code 1: unknown setting `sheme`
           |   0 ready run-1, restarts 0, last exit code 1: unknown setting `sheme`
           |   1 ready run-2, restarts 0
# Only the next request or configuration tries again.
60s     config query=2@9
           -> config 1 accepted
           -> roll of query began
           -> Spawn query[0] run-4 kind 9
61s     ready run-4
           -> query[0] run-4 ready
           -> Drain run-1 within 5s
           -> Spawn query[1] run-5 kind 9
62s     ready run-5
           -> query[1] run-5 ready
           -> Drain run-2 within 5s
           -> roll of query ended

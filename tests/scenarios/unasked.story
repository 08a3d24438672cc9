# A replacement that an operator asked for is none that nobody asked for; reset forgets the count.
0ms     config query=1@7 replace=1
           -> config 1 accepted
           -> Spawn query[0] run-1 kind 7
50ms    ready run-1
           -> query[0] run-1 ready
1s      refresh query src/app.py changed
           -> roll of query began: src/app.py changed
           -> Drain run-1 within 5s
1100ms  exited run-1 code 0
           -> query[0] run-1 stopped: exit code 0
           -> Spawn query[0] run-2 kind 7
2s      ready run-2
           -> query[0] run-2 ready
           -> roll of query ended
3s      ask 1 reload query
           -> roll of query began
           -> Drain run-2 within 5s
3100ms  exited run-2 code 0
           -> query[0] run-2 stopped: exit code 0
           -> Spawn query[0] run-3 kind 7
4s      ready run-3
           -> query[0] run-3 ready
           -> roll of query ended
           -> Reply 1: done
5s      status
           | query roll idle
           |   0 ready run-3, restarts 0, last exit code 0, 1 unasked, last: src/app.py changed
6s      ask 2 reset query
           -> Reply 2: done
6100ms  status
           | query roll idle
           |   0 ready run-3, restarts 0
# What stopped halfway, and an operator took up, was asked for in the end.
10s     refresh query src/app.py changed
           -> roll of query began: src/app.py changed
           -> Drain run-3 within 5s
11s     exited run-3 code 0
           -> query[0] run-3 stopped: exit code 0
           -> Spawn query[0] run-4 kind 7
12s     exited run-4 code 1
           -> query[0] run-4 backoff 85ms: exit code 1
           -> roll of query stopped: query[0]: exit code 1
 12085ms   -> Spawn query[0] run-5 kind 7
20s     ask 3 reload query
           -> roll of query began
20500ms ready run-5
           -> query[0] run-5 ready
           -> Drain run-5 within 5s
21s     status
           | query roll rolling 0/1
           |   0 draining run-5, restarts 1, why replaced, last exit code 1, 1 unasked, last: src/app.py changed

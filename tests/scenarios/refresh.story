# A time table or a changed file replaces the workers, one after the other; a stopped app stays so.
0ms     config query=2@7
           -> config 1 accepted
           -> Spawn query[0] run-1 kind 7
           -> Spawn query[1] run-2 kind 7
50ms    ready run-1
           -> query[0] run-1 ready
60ms    ready run-2
           -> query[1] run-2 ready
1s      refresh query src/app.py changed
           -> roll of query began: src/app.py changed
           -> Spawn query[0] run-3 kind 7
2s      ready run-3
           -> query[0] run-3 ready
           -> Drain run-1 within 5s
           -> Spawn query[1] run-4 kind 7
# Another change meanwhile: the last one wins.
2100ms  refresh query src/app.py changed
           -> Drain run-4 within 5s
2200ms  exited run-4 code 0
           -> query[1] run-4 stopped: exit code 0
           -> Spawn query[1] run-5 kind 7
2300ms  exited run-1 code 0
           -> query[0] run-1 stopped: exit code 0
3s      ready run-5
           -> query[1] run-5 ready
           -> Drain run-2 within 5s
           -> Spawn query[0] run-6 kind 7
3100ms  ready run-6
           -> query[0] run-6 ready
           -> Drain run-3 within 5s
           -> roll of query ended
3200ms  exited run-2 code 0
           -> query[1] run-2 stopped: exit code 0
3300ms  exited run-3 code 0
           -> query[0] run-3 stopped: exit code 0
3400ms  status
           | query roll idle
           |   0 ready run-6, restarts 0, last exit code 0, 2 unasked, last: src/app.py changed
           |   1 ready run-5, restarts 0, last exit code 0, 1 unasked, last: src/app.py changed
4s      ask 1 stop query
           -> Remember query=stopped
           -> Drain run-6 within 5s
           -> Drain run-5 within 5s
4100ms  exited run-5 code 0
           -> query[1] run-5 stopped: exit code 0
4200ms  exited run-6 code 0
           -> query[0] run-6 stopped: exit code 0
           -> Reply 1: done
5s      refresh query time table `0 4 * * *`

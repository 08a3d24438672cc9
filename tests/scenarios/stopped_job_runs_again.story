# A stopped slot forgets how its worker ended, even while its app must wait for those who depend on it.
0ms     config db=1@1 when=on-failure | query=1@7 after=db
           -> config 1 accepted
           -> Spawn db[0] run-1 kind 1
50ms    exited run-1 code 0
           -> db[0] run-1 stopped: exit code 0
           -> Spawn query[0] run-2 kind 7
60ms    ready run-2
           -> query[0] run-2 ready
1s      ask 1 stop all
           -> Remember db=stopped query=stopped
           -> db[0] stopped: stopped by an operator
           -> Drain run-2 within 5s
1100ms  ask 2 forget db
           -> Remember query=stopped
           -> Spawn db[0] run-3 kind 1
1200ms  exited run-2 code 0
           -> query[0] run-2 stopped: exit code 0
1300ms  ready run-3
           -> db[0] run-3 ready
           -> Reply 1: done
           -> Reply 2: done

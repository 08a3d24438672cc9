# A reload that was cut short by a stop is not forgotten when the worker is wanted again before it left.
0ms     config db=1@1 | query=1@7 after=db
           -> config 1 accepted
           -> Spawn db[0] run-1 kind 1
50ms    ready run-1
           -> db[0] run-1 ready
           -> Spawn query[0] run-2 kind 7
60ms    ready run-2
           -> query[0] run-2 ready
1s      ask 1 reload db
           -> roll of db began
           -> Spawn db[0] run-3 kind 1
# The dependents leave first, so db's old worker stays a while, and is started again meanwhile.
1100ms  ask 2 stop all
           -> Remember db=stopped query=stopped
           -> roll of db ended
           -> Drain run-2 within 5s
           -> Reply 1: done
1200ms  ask 3 start db
           -> Remember query=stopped
           -> roll of db began
           -> Reply 3: done
1300ms  ready run-3
           -> db[0] run-3 ready
           -> Drain run-1 within 5s
           -> roll of db ended
1400ms  exited run-2 code 0
           -> query[0] run-2 stopped: exit code 0
           -> Reply 2: done
1600ms  exited run-1 code 0
           -> db[0] run-1 stopped: exit code 0

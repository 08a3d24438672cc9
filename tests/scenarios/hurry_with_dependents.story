# In a hurry nobody waits for those who depend on it, not even with a successor that still starts.
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
1100ms  shutdown
           -> shutting down
           -> Reply 1: failed: the service is ending
           -> Drain run-2 within 5s
1200ms  shutdown now
           -> Kill run-1 NoLongerWanted
           -> Kill run-3 NoLongerWanted
           -> Kill run-2 NoLongerWanted
1250ms  status
           | db roll idle
           |   0 killing run-1, leaving run-3, restarts 0, why killed: no longer wanted
           | query roll idle
           |   0 killing run-2, restarts 0, why killed: no longer wanted
1300ms  exited run-1 signal 9
           -> db[0] run-1 stopped: killed: no longer wanted
1310ms  exited run-3 signal 9
           -> db[0] run-3 stopped: killed: no longer wanted
1320ms  exited run-2 signal 9
           -> query[0] run-2 stopped: killed: no longer wanted
           -> Exit

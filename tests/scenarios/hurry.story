# Asked a second time, the service does not wait: whoever still drains is killed.
0ms     config query=2@7
           -> config 1 accepted
           -> Spawn query[0] run-1 kind 7
           -> Spawn query[1] run-2 kind 7
50ms    ready run-1
           -> query[0] run-1 ready
1s      shutdown
           -> shutting down
           -> Drain run-1 within 5s
           -> Drain run-2 within 5s
2s      shutdown now
           -> Kill run-1 NoLongerWanted
           -> Kill run-2 NoLongerWanted
2100ms  exited run-1 signal 9
           -> query[0] run-1 stopped: killed: no longer wanted
2200ms  exited run-2 signal 9
           -> query[1] run-2 stopped: killed: no longer wanted
           -> Exit

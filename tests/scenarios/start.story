# Workers start side by side; the operator hears when all of them serve.
0ms     config query=2@7
           -> config 1 accepted
           -> Spawn query[0] run-1 kind 7
           -> Spawn query[1] run-2 kind 7
1ms     ask 1 settle
50ms    ready run-1
           -> query[0] run-1 ready
60ms    ready run-2
           -> query[1] run-2 ready
           -> Reply 1: done

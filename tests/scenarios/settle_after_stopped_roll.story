# Who settles while everyone serves is told of the roll that stopped before.
0ms     config query=1@7
           -> config 1 accepted
           -> Spawn query[0] run-1 kind 7
50ms    ready run-1
           -> query[0] run-1 ready
20s     config query=1@8
           -> config 1 accepted
           -> roll of query began
           -> Spawn query[0] run-2 kind 8
21s     exited run-2 code 3
           -> query[0] run-2 stopped: exit code 3
           -> roll of query stopped: query[0]: exit code 3
23s     ask 1 settle
           -> Reply 1: failed: the roll of `query` stopped: query[0]: exit code 3; the old workers go on serving

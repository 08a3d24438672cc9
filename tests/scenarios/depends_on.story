# An app starts when those that it depends on serve, and leaves before them.
0ms     config db=1@1 drain=20s | query=2@7 after=db | web=1@3 after=query
           -> config 1 accepted
           -> Spawn db[0] run-1 kind 1
1ms     status
           | db roll idle
           |   0 starting run-1, restarts 0
           | query roll idle
           |   0 stopped, restarts 0, why waits for `db`
           |   1 stopped, restarts 0, why waits for `db`
           | web roll idle
           |   0 stopped, restarts 0, why waits for `query`
2s      ready run-1
           -> db[0] run-1 ready
           -> Spawn query[0] run-2 kind 7
           -> Spawn query[1] run-3 kind 7
3s      ready run-2
           -> query[0] run-2 ready
           -> Spawn web[0] run-4 kind 3
3100ms  ready run-3
           -> query[1] run-3 ready
4s      ready run-4
           -> web[0] run-4 ready
# A dependency that dies disturbs nobody who runs.
20s     exited run-1 code 1
           -> db[0] run-1 backoff 0ms: exit code 1
           -> Spawn db[0] run-5 kind 1
20100ms ready run-5
           -> db[0] run-5 ready
30s     shutdown
           -> shutting down
           -> Drain run-4 within 5s
30500ms exited run-4 code 0
           -> web[0] run-4 stopped: exit code 0
           -> Drain run-2 within 5s
           -> Drain run-3 within 5s
31s     exited run-2 code 0
           -> query[0] run-2 stopped: exit code 0
32s     exited run-3 code 0
           -> query[1] run-3 stopped: exit code 0
           -> Drain run-5 within 20s
33s     exited run-5 code 0
           -> db[0] run-5 stopped: exit code 0
           -> Exit

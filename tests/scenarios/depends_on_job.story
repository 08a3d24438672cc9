# A job that was done counts as serving; one that failed does not. Who depends on it is rolled after it.
0ms     config migrate=1@1 when=never | query=1@7 after=migrate
           -> config 1 accepted
           -> Spawn migrate[0] run-1 kind 1
1s      exited run-1 code 0
           -> migrate[0] run-1 stopped: exit code 0
           -> Spawn query[0] run-2 kind 7
1100ms  ready run-2
           -> query[0] run-2 ready
2s      config migrate=1@2 when=never | query=1@8 after=migrate
           -> config 1 accepted
           -> roll of migrate began
           -> roll of query began
           -> Spawn migrate[0] run-3 kind 2
2100ms  status
           | migrate roll rolling 0/1
           |   0 starting run-3, restarts 0, last exit code 0
           | query roll rolling 0/1
           |   0 ready run-2, restarts 0
3s      exited run-3 code 0
           -> migrate[0] run-3 stopped: exit code 0
           -> roll of migrate ended
           -> Spawn query[0] run-4 kind 8
3100ms  ready run-4
           -> query[0] run-4 ready
           -> Drain run-2 within 5s
           -> roll of query ended
3200ms  exited run-2 code 0
           -> query[0] run-2 stopped: exit code 0
4s      config migrate=1@3 when=never | query=1@9 after=migrate
           -> config 1 accepted
           -> roll of migrate began
           -> roll of query began
           -> Spawn migrate[0] run-5 kind 3
5s      exited run-5 code 1
           -> migrate[0] run-5 stopped: exit code 1
           -> roll of migrate stopped: migrate[0]: exit code 1
           -> roll of query stopped: query[0]: waits for `migrate`, which does not serve and gave up (`start` tries again)
5100ms  status
           | migrate roll stopped: migrate[0]: exit code 1
           |   0 stopped, restarts 0, why exit code 1, last exit code 1, finished by policy
           | query roll stopped: query[0]: waits for `migrate`, which does not serve and gave up (`start` tries again)
           |   0 ready run-4, restarts 0, last exit code 0
6s      ask 1 restart query
           -> Drain run-4 within 5s

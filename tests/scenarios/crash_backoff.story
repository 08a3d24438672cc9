# The wait doubles with every death; a worker that was ready for stable_after starts anew.
0ms     config query=1@7 max=10
           -> config 1 accepted
           -> Spawn query[0] run-1 kind 7
10ms    ready run-1
           -> query[0] run-1 ready
20ms    exited run-1 code 3
           -> query[0] run-1 backoff 85ms: exit code 3
   105ms   -> Spawn query[0] run-2 kind 7
200ms   exited run-2 signal 11
           -> query[0] run-2 backoff 162ms: killed by SIGSEGV
   362ms   -> Spawn query[0] run-3 kind 7
500ms   spawn-failed run-3 cannot start mcp-worker: no such file
           -> query[0] run-3 backoff 302ms: cannot start mcp-worker: no such file
   802ms   -> Spawn query[0] run-4 kind 7
900ms   ready run-4
           -> query[0] run-4 ready
11s     exited run-4 code 3
           -> query[0] run-4 backoff 0ms: exit code 3
           -> Spawn query[0] run-5 kind 7
12s     status
           | query roll idle
           |   0 starting run-5, restarts 4, last exit code 3

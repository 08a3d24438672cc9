# A configuration that leaves the start as it was leaves its deadline; another rule of readiness counts from now.
0ms     config query=1@7 start=10s drain=5s | web=1@1 start=10s
           -> config 1 accepted
           -> Spawn query[0] run-1 kind 7
           -> Spawn web[0] run-2 kind 1
5s      config query=1@7 start=10s drain=6s | web=1@1 start=10s alive=2s
           -> config 1 accepted
  7000ms   -> web[0] run-2 ready
 10000ms   -> Kill run-1 NeverReady
20s     status
           | query roll idle
           |   0 killing run-1, restarts 0, why killed: not ready within 10s
           | web roll idle
           |   0 ready run-2, restarts 0

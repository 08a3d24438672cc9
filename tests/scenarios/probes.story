# So many failed probes in a row mean that a worker is not well; a good one in between forgives.
0ms     config query=1@7 probes=3
           -> config 1 accepted
           -> Spawn query[0] run-1 kind 7
10ms    probe-failed run-1 connection refused
50ms    ready run-1
           -> query[0] run-1 ready
10s     probe-failed run-1 HTTP 500
20s     probe-failed run-1 HTTP 500
21s     status
           | query roll idle
           |   0 ready run-1, restarts 0, 2 of 3 probes failed: HTTP 500
30s     beat run-1
31s     status
           | query roll idle
           |   0 ready run-1, restarts 0
40s     probe-failed run-1 HTTP 500
50s     probe-failed run-1 HTTP 500
60s     probe-failed run-1 no answer within 2s
           -> Kill run-1 Unhealthy
60100ms exited run-1 signal 9
           -> query[0] run-1 backoff 0ms: killed: 3 probes in a row failed: no answer within 2s
           -> Spawn query[0] run-2 kind 7
# The last probe says why a worker was never ready.
61s     probe-failed run-2 connection refused

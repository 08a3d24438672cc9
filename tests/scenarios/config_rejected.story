# A configuration that was refused changes nothing but the picture.
0ms     config query=1@7
           -> config 1 accepted
           -> Spawn query[0] run-1 kind 7
50ms    ready run-1
           -> query[0] run-1 ready
1s      rejected apps.query.instances (line 12): 0 is not a number of instances
           -> config rejected: apps.query.instances (line 12): 0 is not a number of instances
1001ms  status
           | config problem: apps.query.instances (line 12): 0 is not a number of instances
           | query roll idle
           |   0 ready run-1, restarts 0
2s      config query=1@7
           -> config 1 accepted
2001ms  status
           | query roll idle
           |   0 ready run-1, restarts 0

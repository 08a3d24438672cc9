# Where so many slots gave up that no other may be taken down, a roll stops; new before old goes on.
0ms     config mail=2@1 surge=1 max=0 memory=500 stable=1s | query=2@7 surge=0 unavailable=1 max=0 memory=500 stable=1s
           -> config 1 accepted
           -> Spawn mail[0] run-1 kind 1
           -> Spawn mail[1] run-2 kind 1
           -> Spawn query[0] run-3 kind 7
           -> Spawn query[1] run-4 kind 7
50ms    ready run-1
           -> mail[0] run-1 ready
50ms    ready run-2
           -> mail[1] run-2 ready
50ms    ready run-3
           -> query[0] run-3 ready
50ms    ready run-4
           -> query[1] run-4 ready
2s      exited run-1 code 3
           -> mail[0] run-1 failed: gave up after 1 death in 60s; last: exit code 3
3s      exited run-3 code 3
           -> query[0] run-3 failed: gave up after 1 death in 60s; last: exit code 3
3500ms  measured run-2 500
4s      measured run-2 600
           -> roll of mail began: mail[1] takes 600 bytes of memory, max_memory is 500 bytes
           -> Spawn mail[1] run-5 kind 1
5s      measured run-4 600
           -> roll of query began: query[1] takes 600 bytes of memory, max_memory is 500 bytes
           -> roll of query stopped: query[0]: gave up after 1 death in 60s; last: exit code 3
6s      ready run-5
           -> mail[1] run-5 ready
           -> Drain run-2 within 5s
           -> roll of mail ended
6100ms  exited run-2 code 0
           -> mail[1] run-2 stopped: exit code 0
6200ms  status
           | mail roll idle
           |   0 failed, restarts 0, why gave up after 1 death in 60s; last: exit code 3, last exit code 3
           |   1 ready run-5, restarts 0, last exit code 0, 1 unasked, last: takes 600 bytes of memory, max_memory is 500 bytes
           | query roll stopped: query[0]: gave up after 1 death in 60s; last: exit code 3
           |   0 failed, restarts 0, why gave up after 1 death in 60s; last: exit code 3, last exit code 3
           |   1 ready run-4, restarts 0
# A reset helps the slot; the roll that nobody asked for is tried again after a minute.
7s      ask 1 reset query
           -> Reply 1: done
           -> Spawn query[0] run-6 kind 7
7100ms  ready run-6
           -> query[0] run-6 ready
 65000ms   -> roll of query began: query[1] takes 600 bytes of memory, max_memory is 500 bytes
           -> Drain run-4 within 5s
70s     status
           | mail roll idle
           |   0 failed, restarts 0, why gave up after 1 death in 60s; last: exit code 3, last exit code 3
           |   1 ready run-5, restarts 0, last exit code 0, 1 unasked, last: takes 600 bytes of memory, max_memory is 500 bytes
           | query roll rolling 1/2
           |   0 ready run-6, restarts 0
           |   1 draining run-4, restarts 0, why takes 600 bytes of memory, max_memory is 500 bytes, 1 unasked, last: takes 600 bytes of memory, max_memory is 500 bytes

# An app has 256 workers at most; a stopped one may be scaled, and starts nobody.
0ms     config query=1@7
           -> config 1 accepted
           -> Spawn query[0] run-1 kind 7
50ms    ready run-1
           -> query[0] run-1 ready
1s      ask 1 stop query
           -> Remember query=stopped
           -> Drain run-1 within 5s
1100ms  exited run-1 code 0
           -> query[0] run-1 stopped: exit code 0
           -> Reply 1: done
2s      ask 2 scale query 256
           -> Remember query=stopped query=256
           -> Reply 2: done
3s      ask 3 scale query +1
           -> Reply 3: failed: `query` cannot have 257 workers; 256 at most
4s      ask 4 scale query -255
           -> Remember query=stopped
           -> Reply 4: done
5s      ask 5 start query
           -> Remember nothing
           -> Spawn query[0] run-2 kind 7

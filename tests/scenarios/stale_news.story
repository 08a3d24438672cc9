# News about a run that is gone hits nobody.
0ms     config query=1@7
           -> config 1 accepted
           -> Spawn query[0] run-1 kind 7
50ms    ready run-1
           -> query[0] run-1 ready
60ms    exited run-1 code 1
           -> query[0] run-1 backoff 85ms: exit code 1
61ms    ready run-1
62ms    exited run-1 code 1
   145ms   -> Spawn query[0] run-2 kind 7
200ms   exited run-1 code 1
210ms   ready run-1
211ms   beat run-99
300ms   ready run-2
           -> query[0] run-2 ready
301ms   ready run-2

//! The overview of all commands, grouped by what one wants; each command's own help is with it.

/// The first page: what one sees without arguments and with `--help`. A test holds it equal to
/// the commands that there are.
pub(super) const OVERVIEW: &str = "\
{about-with-newline}
{usage-heading} {usage}

The service:
  start             Start the supervisor and all workers; returns when every worker is ready
  stop              Finish what runs, end every worker, then the supervisor itself
  ping              Say whether the supervisor runs
  check             Check the configuration file; nothing is touched
  config show       Print the configuration in force; --origin says where each value comes from
  init              Write a configuration to begin with
  import            Translate what PM2, supervisord, the Labs server or a .env file say
  login             Log in to Snowflake at a browser, for all workers
  schema            Print a JSON Schema of the file, for editors
  client list       Those who may call, and what each may do
  client key        Make, list, revoke and rotate their API keys
  client-config     Print the configuration that connects an MCP client
  completion SHELL  Print what completes these commands in bash, zsh, fish, elvish, powershell

Look:
  status            Every worker: state, process, uptime, restarts, memory   [also: ls, list]
  describe TARGET   Everything about an app              [also: show, info, desc]
  logs [TARGET]     The last lines of all logs, by time; --follow goes on; --since, --grep, ...
  monit             A live screen: apps, slots, logs, keys to act        [also: dash]
  pid [TARGET]      Process ids, one a line
  env TARGET        The environment of a running process

Change what runs (TARGET: one or more of: an app, a slot such as query[2], all):
  reload [TARGET]   Read the file again, replace workers without one failed request
  restart [TARGET]  Stop workers and start them again, all at once
  stop TARGET       Stop workers; the supervisor stays
  start TARGET      Start what was stopped, what gave up, what finished
  delete TARGET     Stop workers and take them out of the picture        [also: del]
  scale APP N       Another number of workers: 4, +2, -2
  reset TARGET      Forget deaths; whoever waits or gave up starts at once
  signal SIG TARGET Send a signal to processes                    [also: sendSignal]

Log files (they are rotated by themselves):
  rotate-logs [TARGET]
                    Begin new files now
  flush [TARGET]    Empty them; rotated ones stay
  reload-logs       Open them anew, after a tool of yours renamed them  [also: reloadLogs]

Workers and their clients (APP: one app; without it every app of mcp-worker):
  sessions [APP]    Sessions of clients that were seen lately
  queries [APP]     Statements that run; `queries cancel ID` ends one
  test-connection [APP]
                    Whether the warehouse answers, how fast, in which role
  pool reset [APP]  Replace the sessions with the warehouse, without a failed call
  circuit [APP]     Whether sessions are opened; `circuit reset` has it tried at once
  maintenance on|off|status [APP]
                    Turn new calls away for a while, and take them again
  log-level LEVEL [APP]
                    Log more or less, until `reload` or `forget`
  export-state [APP]
                    Everything that workers hold, as JSON

Changes made here outlive the supervisor, until the file is told or they are dropped:
  save              Show them, and the lines that would make them part of the file
  forget [TARGET]   Drop them: the file holds again

The configuration as it was:
  config history    Those that were in force, and what each changed
  config diff [FROM] [TO]
                    What differs, by default between the one in force and the file
  config rollback [N]
                    Put the file back to an earlier one, and take it in

Options:
{options}

`mcp-supervisor COMMAND --help` explains a command.
";

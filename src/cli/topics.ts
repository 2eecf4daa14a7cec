/** A page of help that belongs to no command. */
export type Topic = { name: string; summary: string; text: string }

const exitCodes = `Exit codes

  0    done
  1    failed
  2    usage: an unknown option, or a spec that is not right
  3    not found
  4    not allowed: no token, or a wrong one
  5    conflict: it is not so any more, or the plan does not hold any more
  6    no capacity now
  7    over budget, above the price you allowed, or against a policy
  8    still running when the time was up
  10   plan: there is something to apply
  130  interrupted with Ctrl-C; what runs goes on

isobar run and isobar logs -f end with the exit code of the run itself, which is 128 + n after signal n. With
--exit-code=local they tell only whether they could follow it to its end.
`

const environment = `Environment

  ISOBAR_HOME           state directory; ~/.isobar by default
  ISOBAR_SERVER         address of a server elsewhere; then none is started here
  ISOBAR_TOKEN          token for that server
  ISOBAR_LISTEN         where the server listens; 127.0.0.1:7411 by default
  DATABASE_URL          a PostgreSQL 15 or newer for the server, instead of its own
  ISOBAR_CONFIRM_ABOVE  price for an hour above which run and apply want an amount; $20 by default
  ISOBAR_PROMPT_DISABLED
                        ask nothing, also on a terminal
  ISOBAR_FORCE_TTY      write as for a terminal where there is none; a number is its columns
  ISOBAR_PAGER, PAGER   shows what ps, describe, logs and others that look tell, on a terminal; none by default
  ISOBAR_DEBUG          show where an error comes from
  NO_COLOR              no colour
  CLICOLOR_FORCE        colour even without a terminal
  XDG_CACHE_HOME        where compiled code is kept; ~/.cache by default

Without a terminal isobar asks nothing, shows no progress and no colour. Where an answer is needed it ends with an error
that names the option to give.
`

const output = `Output

Data goes to stdout; progress, warnings and hints go to stderr. Every command that gives data has -o:

  table          for people; cut to the width of the terminal
  wide           all columns, never cut
  json           what the API gave
  yaml           the same as YAML
  ndjson         one item a line
  name           only names or ids, one a line
  jsonpath=...   a part of the JSON

Paths are a small part of JSONPath, as kubectl writes it:

  isobar ps -o jsonpath='.items[0].name'       the first name
  isobar ps -o jsonpath='.items[*].state'      every state, one a line
  isobar ps -o jsonpath='{.items[0].name} costs {.items[0].spent.text}\\n'
  isobar describe train -o jsonpath=".labels['team.a']"

Negative indices count from the end. What is not there is nothing.

Errors go to stderr. With json, ndjson or yaml an error is one line of JSON, the last one:

  {"status":"action_required","reason":"over-limit","message":"this costs $80.00 an hour","detail":"Nothing was ...",
   "exitCode":7,"userActionRequired":true,"retryable":false,"requestId":"","next":[{"command":"isobar run ...","when":""}]}

Its status is error, or action_required where somebody has to allow something; reason is a code of the API or what the
exit code stands for; next are commands that help, the best first; problems are the places in a spec that are not right.
`

export const topics: readonly Topic[] = [
  { name: 'exit-codes', summary: 'what the exit codes mean', text: exitCodes },
  { name: 'environment', summary: 'variables that isobar reads', text: environment },
  { name: 'output', summary: 'formats of -o, and paths', text: output },
]

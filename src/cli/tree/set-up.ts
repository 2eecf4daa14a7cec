import type { CommandSpec } from '#cli/call.ts'

import { project } from './options.ts'
import { sites } from './sites.ts'

const secrets: readonly CommandSpec[] = [
  {
    name: 'secret set',
    arguments: '<name>',
    group: 'Set up',
    summary: 'keep a secret: typed on a terminal, from standard input or a file',
    details:
      'On a terminal it asks for one line, and shows nothing of it. The value is never an argument, because every user of this machine can read those.',
    options: [{ flags: '-f, --file <path>', description: 'read it from this file' }, project],
    examples: [
      'isobar secret set HF_TOKEN',
      'isobar secret set HF_TOKEN < token.txt',
      'isobar secret set HF_TOKEN --file token.txt',
    ],
    next: 'name it under "secrets" in a spec',
    data: true,
    action: async () => (await import('#cli/commands/secret.ts')).set,
  },
  {
    name: 'secret list',
    group: 'Set up',
    summary: 'list the names of secrets',
    options: [project],
    examples: ['isobar secret list'],
    data: true,
    action: async () => (await import('#cli/commands/secret.ts')).list,
  },
  {
    name: 'secret rm',
    arguments: '<name>',
    group: 'Set up',
    summary: 'forget a secret',
    options: [project],
    examples: ['isobar secret rm HF_TOKEN'],
    data: true,
    action: async () => (await import('#cli/commands/secret.ts')).remove,
  },
]

const servers: readonly CommandSpec[] = [
  {
    name: 'serve',
    group: 'Set up',
    summary: 'run the control plane in the foreground',
    details: 'Commands start it by themselves in the background; this is for services, containers and debugging.',
    options: [
      { flags: '--listen <host:port>', description: 'where to listen; 127.0.0.1:7411 by default, port 0 takes any' },
      { flags: '--port <port>', description: 'the port alone' },
      { flags: '--allow-remote', description: 'listen where other machines reach it; needs ISOBAR_TOKEN' },
      { flags: '--advertise <url>', description: 'the address that agents dial, where it is another one' },
      { flags: '--key-file <path>', description: 'the key of secrets, shared by all control planes of one database' },
      { flags: '--keep-days <days>', description: 'how long ended workloads, logs and checkpoints are kept; 90' },
      {
        flags: '--moves-per-hour <count>',
        description: 'how many workloads may be moved, so that a gang finds room or back to spot capacity; 0',
      },
      { flags: '--log-level <level>', description: 'trace, debug, info, warn, error or silent' },
      { flags: '--detached', description: 'log to the state directory and not to standard error' },
    ],
    examples: ['isobar serve', 'DATABASE_URL=postgres://… isobar serve --listen 127.0.0.1:7070'],
    next: 'isobar server status',
    action: async () => (await import('#cli/commands/serve.ts')).serve,
  },
  {
    name: 'server status',
    group: 'Set up',
    summary: 'tell whether the server runs, where, and on which database; 3 when it does not',
    examples: ['isobar server status'],
    data: true,
    action: async () => (await import('#cli/commands/server.ts')).status,
  },
  {
    name: 'server start',
    group: 'Set up',
    summary: 'start the server in the background, if it does not run',
    examples: ['isobar server start'],
    data: true,
    action: async () => (await import('#cli/commands/server.ts')).start,
  },
  {
    name: 'server stop',
    group: 'Set up',
    summary: 'end the server; what runs goes on and is met again',
    details:
      'With --remove the state goes too: database, logs, checkpoints, bundles and keys. It is refused while workloads live. A database that DATABASE_URL names stays as it is.',
    options: [
      { flags: '--remove', description: 'delete the state and the private database, once no workload lives' },
      { flags: '--yes', description: 'do not ask before it is deleted' },
    ],
    examples: ['isobar server stop', 'isobar server stop --remove'],
    next: 'isobar server start',
    data: true,
    action: async () => (await import('#cli/commands/server.ts')).stop,
  },
]

const databases: readonly CommandSpec[] = [
  {
    name: 'db status',
    group: 'Set up',
    summary: 'tell what the database holds, its size and its migrations',
    examples: ['isobar db status'],
    data: true,
    action: async () => (await import('#cli/commands/db.ts')).status,
  },
  {
    name: 'db backup',
    arguments: '<file>',
    group: 'Set up',
    summary: 'write everything to a file, as it is at one moment; work goes on meanwhile',
    details: 'Secrets are in it as they are kept: sealed. Keep the file "key" of the state directory with it.',
    examples: ['isobar db backup isobar.backup'],
    next: 'isobar db restore <file>',
    data: true,
    action: async () => (await import('#cli/commands/db.ts')).backup,
  },
  {
    name: 'db restore',
    arguments: '<file>',
    group: 'Set up',
    summary: 'read a backup into a database that holds nothing yet',
    examples: ['ISOBAR_HOME=~/fresh isobar db restore isobar.backup'],
    next: 'isobar server start',
    data: true,
    action: async () => (await import('#cli/commands/db.ts')).restore,
  },
  {
    name: 'db move',
    group: 'Set up',
    summary: 'copy everything to another PostgreSQL, which must hold nothing yet; the server must be stopped',
    details: 'The address may stand in the variable TO_DATABASE_URL, so that its password is in no list of processes.',
    options: [{ flags: '--to <url>', description: 'where to, such as postgres://isobar@db.example/isobar' }],
    examples: ['isobar server stop && isobar db move --to postgres://isobar@db.example/isobar'],
    next: 'export DATABASE_URL=postgres://… && isobar server start',
    data: true,
    action: async () => (await import('#cli/commands/db.ts')).move,
  },
]

export const setUp: readonly CommandSpec[] = [
  {
    name: 'gateway',
    group: 'Set up',
    summary: 'one address for all services, in the foreground',
    details:
      'Requests to /<project>/<service>/… go to a ready replica, wherever it runs, and go on while the server is away.',
    options: [{ flags: '--port <n>', description: 'port on this machine (7412)' }],
    examples: ['isobar gateway', 'curl http://127.0.0.1:7412/default/greeter/'],
    action: async () => (await import('#cli/commands/gateway.ts')).gateway,
  },
  {
    name: 'demo',
    group: 'Set up',
    summary: 'lose a whole site under a training gang, a service and an array, and check that nothing is lost',
    details:
      'Starts a control plane of its own, and takes down all that it started at its end or on Ctrl-C. Exits with 0 only if ' +
      'all that it claims was true. --real trains one spec on a Kubernetes and a Slurm cluster of real servers and on this ' +
      'machine, and kills both clusters meanwhile; it needs a checkout of Isobar, Linux, root, and the servers, and says ' +
      'which are missing.',
    options: [{ flags: '--real', description: 'on real servers: Kubernetes, with one real node, and Slurm' }],
    examples: ['isobar demo', 'isobar demo --real'],
    next: 'isobar run examples/train/train.yaml',
    action: async () => (await import('#cli/demo/demo.ts')).demo,
  },
  {
    name: 'doctor',
    group: 'Set up',
    summary: 'check this machine, the server and the providers, and name the fixes',
    examples: ['isobar doctor', 'isobar doctor -o json'],
    data: true,
    action: async () => (await import('#cli/commands/doctor.ts')).doctor,
  },
  ...sites,
  ...secrets,
  ...servers,
  ...databases,
  {
    name: 'api',
    arguments: '<method> [path]',
    group: 'Set up',
    summary: 'call the API directly',
    details:
      'The body comes from standard input. Without a method it is GET. The API describes itself at openapi.json. The answer is written as it comes, or with -o in another format.',
    options: [
      { flags: '-H, --header <name: value>', description: 'send this header, too', repeat: true },
      { flags: '-i, --include', description: 'write the status and the headers of the answer before it' },
    ],
    examples: [
      'isobar api get v1/workloads',
      'isobar api openapi.json',
      'isobar api -i v1/projects/default',
      'isobar api v1/sites -o jsonpath=.items[0].reach',
      'echo \'{"priority": 5}\' | isobar api put v1/workloads/train/priority',
    ],
    data: true,
    action: async () => (await import('#cli/commands/api.ts')).callApi,
  },
  {
    name: 'completion',
    arguments: '<shell>',
    group: 'Set up',
    summary: 'write a completion script for bash, zsh or fish',
    examples: [
      'source <(isobar completion bash)',
      'isobar completion zsh > "${fpath[1]}/_isobar"',
      'isobar completion fish > ~/.config/fish/completions/isobar.fish',
    ],
    action: async () => (await import('#cli/commands/completion.ts')).completion,
  },
  {
    name: 'complete-workloads',
    group: 'Set up',
    summary: 'names for completion scripts',
    hidden: true,
    examples: [],
    action: async () => (await import('#cli/commands/completion.ts')).completeWorkloads,
  },
  {
    name: 'version',
    group: 'Set up',
    summary: 'show the version of isobar, Node and the server',
    examples: ['isobar version', 'isobar version -o json'],
    data: true,
    action: async () => (await import('#cli/commands/version.ts')).showVersion,
  },
]

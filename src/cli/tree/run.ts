import type { CommandSpec } from '#cli/call.ts'

import { following, spending } from './options.ts'

export const run: readonly CommandSpec[] = [
  {
    name: 'run',
    arguments: '[file]',
    group: 'Run',
    summary: 'run a spec, or a command, and follow it to its end',
    details:
      'Shows the plan and its price, starts what the file describes, and follows its jobs: their log on stdout, what ' +
      'happens to them on stderr. It ends with the exit code of the run and the bill. Ctrl-C only stops following. ' +
      'The file may be - for standard input. A command after -- needs no file. What can never start as things are is ' +
      'not submitted, nor what is in the same file: it ends with 6. What only waits is.',
    options: [
      { flags: '--name <name>', description: 'call it so' },
      { flags: '--project <name>', description: 'for what names no project in its file' },
      { flags: '-e, --env <name=value>', description: 'set a variable in its environment', repeat: true },
      { flags: '--cpus <n>', description: 'CPUs of a node, for a command after --' },
      { flags: '--memory <size>', description: 'memory of a node, for a command after --' },
      { flags: '--gpu <kind>', description: 'accelerators of a node, such as H200:8, for a command after --' },
      { flags: '--nodes <n>', description: 'nodes, for a command after --' },
      { flags: '--workdir <folder>', description: 'folder to take along, for a command after --' },
      { flags: '-d, --detach', description: 'start it and print its id, without following it' },
      ...spending,
      ...following,
    ],
    examples: [
      'isobar run train.yaml',
      'isobar run train.yaml --max-cost 250 --detach',
      'isobar run --gpu H200:8 --nodes 4 -- torchrun train.py',
      'isobar run - -o json --detach < job.json',
    ],
    next: 'isobar ps, isobar logs -f <workload>, isobar stop <workload>',
    data: true,
    action: async () => (await import('#cli/commands/run.ts')).run,
  },
  {
    name: 'plan',
    arguments: '<file>',
    group: 'Run',
    summary: 'decide where a spec would run and what it would cost, and keep that plan',
    details:
      'Exits with 10 when there is something to apply, with 6 when nothing has a place now, with 7 when its budget is used up.',
    options: [{ flags: '--project <name>', description: 'for what names no project in its file' }],
    examples: ['isobar plan train.yaml', 'isobar plan train.yaml -o jsonpath=.id'],
    next: 'isobar apply <plan>',
    data: true,
    action: async () => (await import('#cli/commands/plan.ts')).plan,
  },
  {
    name: 'apply',
    arguments: '<plan>',
    group: 'Run',
    summary: 'start exactly what a plan says, or exit with 5 and the difference',
    options: spending,
    examples: ['isobar apply p-0k3v9m2a7q4xz1t8', 'isobar apply "$(isobar plan train.yaml -o name)" --max-cost 250'],
    next: 'isobar logs -f <workload>',
    data: true,
    action: async () => (await import('#cli/commands/plan.ts')).apply,
  },
  {
    name: 'validate',
    arguments: '<files...>',
    group: 'Run',
    summary: 'check spec files',
    examples: ['isobar validate train.yaml', 'isobar validate jobs/*.yaml'],
    next: 'isobar plan <file>',
    data: true,
    action: async () => (await import('#cli/commands/validate.ts')).validate,
  },
  {
    name: 'init',
    arguments: '[kind]',
    group: 'Run',
    summary: 'write a spec to fill in: a job, service or array',
    options: [
      { flags: '-f, --file <path>', description: 'write it there, and not to <kind>.yaml; - for stdout' },
      { flags: '--name <name>', description: 'call it so' },
    ],
    examples: ['isobar init', 'isobar init service --name chat -f chat.yaml'],
    next: 'isobar run job.yaml',
    data: true,
    action: async () => (await import('#cli/commands/init.ts')).init,
  },
  {
    name: 'import',
    arguments: '<file>',
    group: 'Run',
    summary: 'make a spec of a manifest of Kubernetes, a script of sbatch or a task of SkyPilot',
    details:
      'Reads Job, JobSet, PyTorchJob, RayJob, Deployment and LeaderWorkerSet, or a batch script of Slurm, or a task of SkyPilot; - is ' +
      'standard input. Writes the spec to stdout, and to stderr what it does not say as its source did: where that stands, why, ' +
      'and what to do instead. Nothing is left out silently. Asks no server.',
    options: [
      { flags: '-f, --file <path>', description: 'write the spec there, and not to stdout' },
      { flags: '--strict', description: 'end with 2, and write nothing, where anything is left out' },
      {
        flags: '--entrypoint <command>',
        description: 'what starts an image, for a container that names no command of its own',
      },
    ],
    examples: [
      'isobar import job.yaml > spec.yaml',
      'isobar import train.sbatch -f train.yaml && isobar plan train.yaml',
      'isobar import chat.yaml --entrypoint "vllm serve" --strict',
      'kubectl get job train -o yaml | isobar import - -o json',
    ],
    next: 'isobar plan <file>',
    data: true,
    action: async () => (await import('#cli/commands/import.ts')).importFile,
  },
]

import { mostNotes } from '#cli/import/note.ts'
import { handedTo, word } from '#cli/import/shell.ts'

import type { Layout } from './layout.ts'
import { withoutDirectives, type Script } from './directives.ts'
import type { Job } from './options.ts'
import { type Remark, withoutSrun } from './script.ts'
import { isRead, variablesOf } from './variables.ts'

type Asked = {
  text: string
  script: Script
  job: Job
  name: string
  layout: Layout
  /** Which part of a heterogeneous job, if it is one. */
  component?: number | undefined
}

/** The commands of a batch script as every node runs them, and what is not as it was. */
export function commandsOf({ text, script, job, name, layout, component }: Asked): { run: string; remarks: Remark[] } {
  const { nodes, tasksPerNode } = layout
  const rewritten = withoutSrun(text, { nodes, tasksPerNode, component })
  const variables = variablesOf({ job, layout, name })
  const remarks = [
    ...rewritten.remarks,
    ...remarksOn(text, script, { nodes, usesSrun: rewritten.usesSrun }),
    ...unknownVariables(text, new Set(variables.keys())),
  ]
  const exports = [...variables]
    .filter(([variable]) => isRead(variable, text, rewritten.usesSrun))
    .map(([variable, value]) => `export ${variable}="${value}"`)
  const body = withoutDirectives(rewritten.text).replaceAll(hostNames, addresses)
  const whole = rewritten.hasTasks ? `${eachTask(layout)}\n\n${body}` : body
  const folder = job.folder === undefined ? [] : [`cd ${word(job.folder)} || exit`]
  return { run: [...exports, ...folder, handedTo(script.interpreter, whole)].join('\n'), remarks }
}

/** `scontrol show hostnames` of all nodes. */
const hostNames =
  /\bscontrol\s+show\s+hostnames?(?:\s+(?:"\$\{?SLURM_(?:JOB_)?NODELIST\}?"|\$\{?SLURM_(?:JOB_)?NODELIST\}?))?/g
const addresses = String.raw`echo "$ISOBAR_NODE_ADDRESSES" | tr , '\n'`

/** Starts a command as often as Slurm did on each node, each with its own numbers, and accelerators where it had them. */
function eachTask({ tasksPerNode: tasks, gpusPerTask: gpus, firstRank }: Layout): string {
  const rank = firstRank === 0 ? 'ISOBAR_RANK' : `(ISOBAR_RANK - ${firstRank})`
  const first = gpus === 1 ? '$task' : `$((task * ${gpus}))`
  const own = gpus === 1 ? first : `$(seq -s , ${first} $((task * ${gpus} + ${gpus - 1})))`
  const visible = gpus === 0 ? '' : ` CUDA_VISIBLE_DEVICES=${own}`
  return `# Starts a command ${tasks} times on this node, as srun did, and fails if one of them does.
each_task() {
  pids='' failed=0
  for task in $(seq 0 ${tasks - 1}); do
    SLURM_LOCALID=$task SLURM_PROCID=$((${rank} * ${tasks} + task))${visible} "$@" &
    pids="$pids $!"
  done
  for pid in $pids; do wait "$pid" || failed=$?; done
  return "$failed"
}`
}

type Watch = { pattern: RegExp; path: string; message: string; fix: string; isOnce?: true }

const watched: readonly Watch[] = [
  {
    pattern: /^[ \t]*(?:module|ml)[ \t][^\n]*/gm,
    path: 'module',
    message: 'modules are there on clusters that have them, and nowhere else',
    fix: 'name an image that holds the same, or install it in setup',
  },
  {
    pattern: /^[ \t]*(?:mpirun|mpiexec|prun)\b/gm,
    path: 'mpirun',
    message: 'it asked Slurm for its nodes; here every node runs the script, and each would start it',
    fix: 'start one rank on each node instead: run says what every node does',
  },
  {
    pattern: /\b(?:sbatch|salloc|squeue|scancel|sacct|sbcast|sattach|sstat|sinfo)\b[ \t]/g,
    path: 'slurm',
    message: 'there are no commands of Slurm where it runs elsewhere',
    fix: 'use isobar run, isobar ps and isobar stop, or leave it out',
  },
  {
    pattern: /\bscontrol\b(?!\s+show\s+hostnames?)/g,
    path: 'scontrol',
    message: 'there are no commands of Slurm where it runs elsewhere',
    fix: 'leave it out: a lost run is started again by itself',
  },
  {
    pattern: hostNames,
    path: 'scontrol show hostnames',
    message: 'the names of the nodes are their addresses, from ISOBAR_NODE_ADDRESSES',
    fix: 'nothing to do; MASTER_ADDR is the first of them already',
  },
]

function remarksOn(text: string, script: Script, { nodes, usesSrun }: { nodes: number; usesSrun: boolean }): Remark[] {
  const found = watched.flatMap(({ pattern, ...remark }) =>
    [...text.matchAll(pattern).take(mostNotes + 1)]
      .filter(({ index }) => index >= script.bodyAt && !isComment(text, index))
      .map(({ index }) => ({ at: index, ...remark })),
  )
  if (nodes > 1)
    found.push({
      at: script.bodyAt,
      path: 'script',
      message: usesSrun
        ? 'Slurm ran what stands outside srun on the first node only; here every node runs all of it'
        : 'Slurm ran the script on the first node only; here every node runs it',
      fix: 'guard what is to happen once: [ "$ISOBAR_RANK" = 0 ] && …',
    })
  return found
}

const isComment = (text: string, at: number): boolean =>
  /^\s*#/.test(text.slice(text.lastIndexOf('\n', at - 1) + 1, at + 1))

function unknownVariables(text: string, known: ReadonlySet<string>): Remark[] {
  const seen = new Set<string>()
  return [...text.matchAll(/\$\{?(SLURM_\w+)/g)].flatMap(({ index, 1: name = '' }) => {
    if (known.has(name) || seen.has(name)) return []
    seen.add(name)
    return [
      {
        at: index,
        path: name,
        message: `nothing sets ${name} here`,
        fix: `write env: { ${name}: … } if the script needs it`,
      },
    ]
  })
}

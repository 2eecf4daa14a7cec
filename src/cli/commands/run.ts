import { randomBytes } from 'node:crypto'

import type { PlanView, SpecRequest, SubmittedView, WorkloadDetail, WorkloadView } from '#api/views.ts'
import type { Call } from '#cli/call.ts'
import { calledAgain } from '#cli/called-again.ts'
import { workloadPath, type Api } from '#cli/client.ts'
import { applyPath, passCostGate } from '#cli/cost-gate.ts'
import { CliFault, exitCodes } from '#cli/fault.ts'
import { follow } from '#cli/follow.ts'
import { refuseHopeless } from '#cli/hopeless.ts'
import { interruptible, note, write } from '#cli/io.ts'
import { remoteCode, wayBack } from '#cli/outcome.ts'
import { planText } from '#cli/plan-text.ts'
import { forPeople } from '#cli/output/format.ts'
import { pairOf, prepare, readSpec, type SpecChanges, type SpecText } from '#cli/submission.ts'
import { formatInstant } from '#kit/instant.ts'
import { quoted } from '#kit/quoted.ts'
import { showStarted } from './started.ts'

/** How often a plan that no longer holds is made again. */
const mostPlans = 3

/** `isobar run`: plan, ask when it is dear, start, follow. */
export async function run(call: Call): Promise<number> {
  const spec = await specOf(call)
  const api = await call.api()
  const request = await prepare(
    { io: call.io, api },
    spec,
    call.args[0] === undefined ? projectOf(call) : changesOf(call),
  )
  const { plan, shown, workloads } = await startIt(call, api, request)
  if (call.flag('detach')) {
    await showStarted(call, workloads)
    return exitCodes.done
  }
  const jobs = workloads.filter(({ kind }) => kind === 'job')
  for (const workload of workloads) {
    note(call.io, `${workload.name} (${workload.id}) is submitted: ${urlOf(api, workload)}${expiryOf(workload)}`)
    note(call.io, wayBack(workload))
  }
  if (!shown) call.io.stderr.write(planText(call, plan, 'stderr'))
  if (jobs.length === 0) {
    if (!forPeople(call.format)) await showStarted(call, workloads)
    return exitCodes.done
  }
  return followAll(call, api, jobs)
}

// A server that is older than this command does not tell it.
const expiryOf = ({ expiresAt }: WorkloadView): string =>
  expiresAt ? `, and expires at ${formatInstant(Date.parse(expiresAt))}` : ''

const urlOf = (api: Api, { id }: WorkloadView): string => new URL(workloadPath(id), api.url).href

const projectOf = (call: Call): SpecChanges => ({ project: call.text('project') })
const changesOf = (call: Call): SpecChanges => ({ ...projectOf(call), name: call.text('name'), env: call.texts('env') })

/** The spec of a file, or one made from the command after `--`. */
async function specOf(call: Call): Promise<SpecText> {
  const [file] = call.args
  const forCommands = ['cpus', 'memory', 'gpu', 'nodes', 'workdir'].find((name) => call.text(name) !== undefined)
  if (file !== undefined && call.rest.length > 0)
    throw new CliFault('a file and a command after -- cannot be run at once', {
      code: exitCodes.usage,
      next: ['isobar run --help'],
    })
  if (file === undefined && call.rest.length === 0)
    throw new CliFault('there is nothing to run', {
      code: exitCodes.usage,
      why: 'Name a spec file, or write a command after --.',
      next: ['isobar run -- echo hello'],
    })
  if (file === undefined) return { text: commandSpec(call), filename: 'the command line', folder: call.io.cwd }
  if (forCommands)
    throw new CliFault(`--${forCommands} is for a command after --; a file says it itself`, {
      code: exitCodes.usage,
      next: ['isobar run --help'],
    })
  return readSpec(call.io, file)
}

/** A job that runs the command after `--`. One word is a line for the shell; several are its exact arguments. */
function commandSpec(call: Call): string {
  const [first = '', ...others] = call.rest
  const nodes = call.text('nodes')
  const workdir = call.text('workdir')
  const resources = { cpus: call.text('cpus'), memory: call.text('memory'), accelerators: call.text('gpu') }
  return JSON.stringify({
    kind: 'job',
    name: call.text('name') ?? `${nameFrom(first)}-${randomBytes(2).toString('hex')}`,
    ...(nodes === undefined ? {} : { nodes: /^\d+$/.test(nodes) ? Number(nodes) : nodes }),
    resources,
    ...(workdir === undefined ? {} : { workdir }),
    env: Object.fromEntries(call.texts('env').map(pairOf)),
    run: others.length === 0 ? first : call.rest.map(quoted).join(' '),
  })
}

/** A name from the first word of a command: `./train.sh` becomes `train-sh`. */
const nameFrom = (word: string): string =>
  (word.trim().split(/\s+/)[0] ?? '')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .slice(0, 40)
    .replaceAll(/^-+|-+$/g, '') || 'run'

/** Plans and starts. A plan that changed in between is made again and goes through the cost gate again. */
async function startIt(
  call: Call,
  api: Api,
  request: SpecRequest,
): Promise<{ plan: PlanView; shown: boolean; workloads: WorkloadView[] }> {
  for (let plans = 1; ; plans++) {
    const plan = await api.send<PlanView>('POST', '/v1/plans', request)
    refuseHopeless(plan)
    const shown = await passCostGate(call, plan, (option) => calledAgain(call, option))
    try {
      const { workloads } = await api.send<SubmittedView>('POST', applyPath(call, plan.id))
      return { plan, shown, workloads }
    } catch (error) {
      const changed = error instanceof CliFault && error.problem?.code === 'plan-changed'
      if (!changed || plans === mostPlans) throw error
    }
  }
}

async function followAll(call: Call, api: Api, jobs: WorkloadView[]): Promise<number> {
  const { io } = call
  const rank = call.text('rank') ?? '0'
  // With data on stdout, the log is not data.
  const sink = (bytes: Uint8Array) =>
    forPeople(call.format) ? write(io, bytes) : write({ ...io, stdout: io.stderr }, bytes)
  const several = jobs.length > 1
  const ended = await interruptible((signal) =>
    Promise.all(
      jobs.map((workload) =>
        follow(io, api, { workload, rank, prefix: several ? `[${workload.name}] ` : '', sink, signal }),
      ),
    ),
  )
  const all = ended.filter((one): one is WorkloadDetail => one !== undefined)
  if (all.length < jobs.length) {
    for (const job of jobs) note(io, `${job.name} goes on\n${wayBack(job)}`)
    return exitCodes.interrupted
  }
  if (!forPeople(call.format)) await showStarted(call, all)
  if (call.text('exit-code') === 'local') return exitCodes.done
  return all.map(remoteCode).find((code) => code !== 0) ?? exitCodes.done
}

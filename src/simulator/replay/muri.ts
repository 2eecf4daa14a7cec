import type { MuriJob } from '#simulator/traces/muri.ts'

/** Shortest remaining time first, or shortest remaining service (time × accelerators) first. */
export type MuriPolicy = 'srtf' | 'srsf'

export type MuriResult = { meanSeconds: number; p99Seconds: number; makespanSeconds: number; plans: number }

type Running = MuriJob & { iterationsLeft: number; key: number; running: boolean; lookedAt: number; endsAt: number }

/** The cluster that Muri was simulated on. */
const nodes = 8
const acceleratorsPerNode = 8

/**
 * Replays a trace as the simulator of Muri does (SIGCOMM 2022), so that its published figures come out to the printed
 * digit. At every arrival and every end the plan is made anew from an empty cluster, in the order of the policy, by
 * first fit; whoever runs then pays the time of a start, whether it moved or not, though not before its own end. This
 * is a yardstick: `replay.ts` simulates what a control plane would do.
 */
export function replayMuri(trace: readonly MuriJob[], policy: MuriPolicy): MuriResult {
  const jobs = trace.map((job): Running => {
    const left = { iterationsLeft: job.iterations, key: 0, running: false, lookedAt: 0, endsAt: 0 }
    return { ...job, ...left }
  })
  let open: Running[] = []
  let [arrived, plans] = [0, 0]
  for (; ; plans++) {
    const arrival = jobs[arrived]?.submitSeconds ?? Number.POSITIVE_INFINITY
    const end = open.reduce(
      (first, job) => (job.running ? Math.min(first, job.endsAt) : first),
      Number.POSITIVE_INFINITY,
    )
    const now = Math.min(arrival, end)
    if (now === Number.POSITIVE_INFINITY) break
    if (end === now) open = open.filter((job) => !(job.running && job.endsAt === now))
    for (const job of open) work(job, now)
    for (let job = jobs[arrived]; job?.submitSeconds === now; job = jobs[++arrived]) {
      job.lookedAt = now
      open.push(job)
    }
    plan(open, now, policy)
  }
  return resultOf(jobs, plans)
}

function work(job: Running, now: number): void {
  if (job.running) {
    const worked = Math.max(now - job.lookedAt - job.startSeconds, 0)
    job.iterationsLeft -= worked / job.iterationSeconds
  }
  job.lookedAt = now
}

/** Sorts in place, for who is equal stays in the order of the plan before. */
function plan(open: Running[], now: number, policy: MuriPolicy): void {
  for (const job of open) {
    const seconds = job.iterationsLeft * job.iterationSeconds
    job.key = policy === 'srtf' ? seconds : seconds * job.accelerators
  }
  open.sort((a, b) => a.key - b.key)
  const free = Array.from({ length: nodes }, () => acceleratorsPerNode)
  for (const job of open) {
    job.running = take(free, job.accelerators)
    job.endsAt = now + job.iterationsLeft * job.iterationSeconds
  }
}

/** First fit in the order of the nodes: one node for up to eight accelerators, else whole nodes and the remainder. */
function take(free: number[], accelerators: number): boolean {
  const parts = Array.from({ length: Math.floor(accelerators / acceleratorsPerNode) }, () => acceleratorsPerNode)
  if (accelerators % acceleratorsPerNode > 0) parts.push(accelerators % acceleratorsPerNode)
  const taken: [node: number, part: number][] = []
  for (const part of parts) {
    const node = free.findIndex((left, at) => left >= part && !taken.some(([other]) => other === at))
    if (node < 0) return false
    taken.push([node, part])
  }
  for (const [node, part] of taken) free[node] = (free[node] ?? 0) - part
  return true
}

function resultOf(jobs: readonly Running[], plans: number): MuriResult {
  const times = jobs.map((job) => job.endsAt - job.submitSeconds)
  const sorted = times.toSorted((a, b) => a - b)
  return {
    meanSeconds: times.reduce((sum, time) => sum + time, 0) / times.length,
    p99Seconds: sorted[Math.ceil(sorted.length * 0.99) - 1] ?? 0,
    makespanSeconds: jobs.reduce((last, job) => Math.max(last, job.endsAt), 0),
    plans,
  }
}

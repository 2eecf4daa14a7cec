import { fail, type Outcome, succeed } from '#model/fault.ts'
import type { LogChunk, LogPart } from '#providers/provider.ts'
import type { Client } from './client.ts'
import type { Refusal } from './faults.ts'
import { type LogFiles, readFrom } from './log-file.ts'
import { indexLabel, labels, ours, paths, rankContainer } from './names.ts'
import { firstOf, sightPod } from './sight.ts'
import { markerOf } from './start-script.ts'
import { Job, listOf, Pod } from './wire.ts'

type Reading = {
  client: Client
  house: string
  namespace: string
  token: string
  part: LogPart
  files: LogFiles
}

/**
 * Output of a rank. A kubelet counts no bytes from the start, so what was read before is read again and dropped; and it
 * gives only the file that it writes to now, which it begins anew after some 10 MiB (`log-file.ts`).
 */
export async function readLog(reading: Reading, signal: AbortSignal): Promise<Outcome<LogChunk>> {
  const { client, namespace, token, part, files } = reading
  const { rank, from } = part
  const none = (end: boolean) => succeed({ from, bytes: new Uint8Array(), end })
  const found = await findRank(reading, rank, signal)
  if (!found.ok) return found
  const { pod, job } = found.value
  if (!pod) return none(!job || job.status.conditions?.some(isOver) === true)
  // Asked before reading: what a rank wrote is in its log before it is shown as ended.
  const { state } = sightPod(rank, pod)
  const hasEnded = state === 'exited' || state === 'lost'
  const path = `${paths.pods(namespace, pod.metadata.name)}/log?container=${rankContainer}`
  const read = await readFrom(
    { client, path, name: pod.metadata.uid, marker: markerOf(token, rank), part, files },
    signal,
  )
  if (read.ok) return succeed({ ...read.chunk, end: read.isWhole && hasEnded })
  // It has not started, or its node has forgotten it.
  if (read.refusal?.status === 400 || read.refusal?.status === 404) return none(hasEnded)
  return isOfNode(read.refusal) ? fail('conflict', 'later', `the node of rank ${rank} does not give its log`) : read
}

type Place = Pick<Reading, 'client' | 'house' | 'namespace' | 'token'>

/** The pod of a rank, and, where its gang has several Jobs or its pod is gone, the Job that it is in. */
export async function findRank(
  place: Place,
  rank: number,
  signal: AbortSignal,
): Promise<Outcome<{ pod?: Pod | undefined; job?: Job | undefined }>> {
  const first = await findPod(place, { index: rank, first: 0 }, signal)
  if (!first.ok) return first
  if (first.value) return succeed({ pod: first.value })
  const { client, house, namespace, token } = place
  const jobs = await client.ask({ path: `${paths.jobs(namespace)}?${ours(house, token)}`, signal })
  if (!jobs.ok) return { ok: false, fault: jobs.fault }
  const job = listOf(Job)
    .parse(jobs.body)
    .items.find((one) => rank >= firstOf(one) && rank < firstOf(one) + (one.spec.completions ?? 0))
  if (!job || firstOf(job) === 0) return succeed({ job })
  const pod = await findPod(place, { index: rank - firstOf(job), first: firstOf(job) }, signal)
  return pod.ok ? succeed({ pod: pod.value, job }) : pod
}

/** The pod that has this number in the Job of which pod 0 is rank `first`. */
async function findPod(
  { client, house, namespace, token }: Place,
  { index, first }: { index: number; first: number },
  signal: AbortSignal,
): Promise<Outcome<Pod | undefined>> {
  const query = `${ours(house, token)}${encodeURIComponent(`,${indexLabel}=${index},${labels.first}=${first}`)}`
  const listed = await client.ask({ path: `${paths.pods(namespace)}?${query}`, signal })
  return listed.ok ? succeed(listOf(Pod).parse(listed.body).items[0]) : { ok: false, fault: listed.fault }
}

/** The API server answers for a kubelet that does not; that is no silence of the site, and none waits for a dead node. */
export const isOfNode = (refusal: Refusal | null): boolean =>
  refusal !== null && refusal.status >= 500 && /containerLogs|No agent available|dialing backend/.test(refusal.message)

const isOver = ({ type, status }: { type: string; status: string }): boolean =>
  (type === 'Complete' || type === 'Failed') && status === 'True'

import type { ControlPlane } from './control-plane.ts'

type Job = {
  metadata: { name: string; uid: string; labels: Record<string, string> }
  spec: { suspend?: boolean; completions: number; template: object }
}

const nameOf = (job: Job) => `job-${job.metadata.name}`

/** Plays the controller of Kueue in a namespace, one step at a time, as its documentation says what it does. */
export function playKueue(plane: ControlPlane, namespace: string, version: string) {
  const workloads = `/apis/kueue.x-k8s.io/${version}/namespaces/${namespace}/workloads`
  const jobs = `/apis/batch/v1/namespaces/${namespace}/jobs`
  const say = (job: Job, conditions: Record<string, [status: 'True' | 'False', reason: string, message: string]>) =>
    plane.ask('PATCH', `${workloads}/${nameOf(job)}/status`, {
      status: {
        conditions: Object.entries(conditions).map(([type, [status, reason, message]]) => ({
          type,
          status,
          reason,
          message,
          lastTransitionTime: new Date().toISOString(),
        })),
      },
    })
  const suspend = (job: Job, is: boolean) =>
    plane.ask('PATCH', `${jobs}/${job.metadata.name}`, { spec: { suspend: is } })
  return {
    /** The Jobs that stand in the queue. */
    async queued(queue: string): Promise<Job[]> {
      const { items } = (await plane.ask('GET', jobs)) as { items: Job[] }
      return items.filter(({ metadata }) => metadata.labels['kueue.x-k8s.io/queue-name'] === queue)
    },
    /** Takes a Job into the line, and says what it waits for. */
    async keepWaiting(job: Job, message: string) {
      const { name, uid, labels } = job.metadata
      await plane.ask('POST', workloads, {
        apiVersion: `kueue.x-k8s.io/${version}`,
        kind: 'Workload',
        metadata: {
          name: nameOf(job),
          ownerReferences: [{ apiVersion: 'batch/v1', kind: 'Job', name, uid, controller: true }],
        },
        spec: {
          active: true,
          queueName: labels['kueue.x-k8s.io/queue-name'],
          podSets: [{ name: 'main', count: job.spec.completions, template: job.spec.template }],
        },
      })
      await say(job, { QuotaReserved: ['False', 'Pending', message] })
    },
    async admit(job: Job) {
      await say(job, {
        QuotaReserved: ['True', 'QuotaReserved', 'Quota reserved in ClusterQueue all'],
        Admitted: ['True', 'Admitted', 'The workload is admitted'],
      })
      await suspend(job, false)
    },
    async evict(job: Job, reason: string, message: string) {
      await say(job, {
        QuotaReserved: ['False', 'Pending', message],
        Admitted: ['False', 'NoReservation', 'The workload has no reservation'],
        Evicted: ['True', reason, message],
      })
      await suspend(job, true)
    },
  }
}

import type { Draft } from '#cli/import/draft.ts'
import type { Field } from '#cli/import/field.ts'
import { didYouMean } from '#kit/did-you-mean.ts'

import type { Setting } from './around.ts'
import { readJobSet } from './job-set.ts'
import { readJob } from './job.ts'
import { readPyTorchJob } from './pytorch-job.ts'
import { readRayJob } from './ray-job.ts'
import { readDeployment, readLeaderWorkerSet } from './serving.ts'

const readers: Readonly<Record<string, (manifest: Field, setting: Setting) => Draft>> = {
  Job: readJob,
  JobSet: readJobSet,
  PyTorchJob: readPyTorchJob,
  RayJob: readRayJob,
  Deployment: readDeployment,
  LeaderWorkerSet: readLeaderWorkerSet,
}

/** The kinds of objects that become workloads. */
export const kindsOfObjects = Object.keys(readers)

/** Reads an object of Kubernetes; undefined for one that is no workload, which is told. */
export function readManifest(manifest: Field, setting: Omit<Setting, 'object'>): Draft | undefined {
  const kind = manifest.at('kind').value
  if (typeof kind !== 'string')
    return manifest.refuse({
      message: 'this is no object of Kubernetes: it says no kind',
      fix: `write kind: ${kindsOfObjects.join(', kind: ')}`,
    })
  const read = Object.hasOwn(readers, kind) ? readers[kind] : undefined
  if (!read) return leaveObject(manifest, kind)
  manifest.at('kind').carry('kind')
  manifest.at('apiVersion').skip()
  return read(manifest, { ...setting, object: String(manifest.at('metadata', 'name').value ?? '') })
}

const beside: Readonly<Record<string, { message: string; fix: string }>> = {
  Service: {
    message: 'Isobar finds the replicas of a service by itself',
    fix: 'isobar describe NAME tells its addresses, isobar gateway gives one for all',
  },
  ConfigMap: { message: 'only the variables that are taken from it come along', fix: 'take files along with workdir' },
  Secret: {
    message: 'secrets are kept by Isobar, and no spec holds one',
    fix: 'isobar secret set NAME < file, and write secrets: [NAME]',
  },
  Namespace: { message: 'a site of Isobar has one namespace', fix: 'isobar projects set NAME makes a project' },
  CronJob: {
    message: 'Isobar starts nothing by the clock',
    fix: 'write its jobTemplate as a Job, and let cron call isobar run',
  },
}

function leaveObject(manifest: Field, kind: string): undefined {
  if (['job', 'service', 'array'].includes(kind))
    return manifest.leave({ message: 'this is a spec already', fix: 'isobar validate FILE' })
  const near = didYouMean(kind, kindsOfObjects)
  const advice = Object.hasOwn(beside, kind) ? beside[kind] : undefined
  return manifest.leave(
    advice ?? {
      message: `a ${kind} is no workload`,
      fix: near
        ? `did you mean ${near}?`
        : `what can be imported is ${kindsOfObjects.join(', ')}, scripts of sbatch and tasks of SkyPilot`,
    },
  )
}

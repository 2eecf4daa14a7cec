/** Labels of all that is ours at a cluster, by which it is found again. */
export const labels = {
  /** Which house it belongs to: several may share a namespace, and none touches what is another's. */
  house: 'isobar.dev/house',
  token: 'isobar.dev/token',
  workload: 'isobar.dev/workload',
  attempt: 'isobar.dev/attempt',
  /** The rank of pod 0 of its Job, on both. */
  first: 'isobar.dev/first-rank',
  /** On pods in which an agent of ours runs: it tells how they are, once it was heard. */
  agent: 'isobar.dev/agent',
} as const

/** How many ranks a gang has, on each of its Jobs. */
export const ranksAnnotation = 'isobar.dev/ranks'

/** On the Job of a gang whose pods no Job makes, once all of them were made: who is not there any more has gone. */
export const wholeAnnotation = 'isobar.dev/whole'

/** Kubernetes' own names of the rank of a pod, and of its Job. */
export const indexLabel = 'batch.kubernetes.io/job-completion-index'

/** Tells a container the rank of pod 0 of its Job, to which its own number there is added. */
export const firstRank = 'ISOBAR_FIRST_RANK'

/** The container that runs the rank; a cluster may put others beside it. */
export const rankContainer = 'rank'

/** What all objects of a gang are called. A pod is called after it as well, with its rank and five letters behind. */
export const objectName = (token: string): string => `isobar-${token}`

/** What a Job of a gang is called, whose pods are its ranks of so manieth group. */
export const groupName = (token: string, group: number): string =>
  `${objectName(token)}${group === 0 ? '' : `-g${group}`}`

/** The token of a gang by what a Job of it is called. */
export const tokenOf = (job: string): string | null => /^isobar-(.*?)(?:-g\d+)?$/.exec(job)?.[1] ?? null

/** Whether a token can be a part of names and the value of a label. */
export const isToken = (token: string): boolean => /^[a-z0-9]([-a-z0-9]{0,44}[a-z0-9])?$/.test(token)

/** A query that finds what is ours, all of it or of one gang. */
export const ours = (house: string, token?: string): string =>
  `labelSelector=${encodeURIComponent(token === undefined ? `${labels.house}=${house},${labels.token}` : `${labels.house}=${house},${labels.token}=${token}`)}`

/** Whose objects are ours: our house's, in the namespace of our site. What it has in others belongs to other sites. */
export type Ours = { house: string; namespace: string }

/** What is listed or watched across namespaces; `fields`: what has to be so of it. */
export type Everywhere = { group: string; kind: string; fields?: readonly string[] }

/**
 * The lists that together hold what others have of a kind: all that is in other namespaces, and what is not our house's in
 * ours. Whoever has no site there yet asks for all.
 */
export function listsOfOthers({ group, kind, fields = [] }: Everywhere, site: Ours | null): string[] {
  if (!site) return [`${group}/${kind}?${selecting({ fieldSelector: fields })}`]
  const { house, namespace } = site
  const beside = { fieldSelector: fields, labelSelector: [`${labels.house}!=${house}`] }
  return [
    `${group}/${kind}?${selecting({ fieldSelector: [`metadata.namespace!=${namespace}`, ...fields] })}`,
    `${group}/namespaces/${namespace}/${kind}?${selecting(beside)}`,
  ]
}

const selecting = (selectors: Record<string, readonly string[]>): string =>
  Object.entries(selectors)
    .filter(([, all]) => all.length > 0)
    .map(([name, all]) => `${name}=${encodeURIComponent(all.join(','))}`)
    .join('&')

export const paths = {
  jobs: (namespace: string, name = ''): string => `/apis/batch/v1/namespaces/${namespace}/jobs${slash(name)}`,
  pods: (namespace: string, name = ''): string => `/api/v1/namespaces/${namespace}/pods${slash(name)}`,
  secrets: (namespace: string, name = ''): string => `/api/v1/namespaces/${namespace}/secrets${slash(name)}`,
  services: (namespace: string, name = ''): string => `/api/v1/namespaces/${namespace}/services${slash(name)}`,
}

const slash = (name: string): string => (name === '' ? '' : `/${encodeURIComponent(name)}`)

/** Where the files of a gang are in each of its containers, and where its checkpoints are if the site keeps any. */
export const folders = {
  root: '/isobar',
  program: '/isobar/program',
  work: '/isobar/work',
  checkpoints: '/isobar/checkpoints',
} as const

/** Where torchrun and its like meet on rank 0: each pod has all ports to itself. */
export const masterPort = 29_500

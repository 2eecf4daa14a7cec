import { z } from 'zod'

import { didYouMean } from '#kit/did-you-mean.ts'
import type { Examination, Obstacle } from '#model/examination.ts'
import type { Node } from '#model/site.ts'
import { labelsOf, namedLabels, type OwnLabels } from './topology.ts'

// What one sees of a cluster, told in tables.

export const regionLabel = 'topology.kubernetes.io/region'

/** Nodes by what they are called in offers. `priceOf` gives null where nobody said what such nodes cost. */
export function kindsOf(
  nodes: readonly Node[],
  priceOf: (shape: string, alike: readonly Node[]) => number | null,
): Examination['nodes'] {
  const kinds = [...Map.groupBy(nodes, ({ shape }) => shape.name)].sort(([a], [b]) => a.localeCompare(b))
  return kinds.flatMap(([name, alike]) => {
    const [first] = alike
    if (!first) return []
    const { accelerator, accelerators, cpuMilli, memoryMiB } = first.shape
    return [
      {
        shape: name,
        nodes: alike.length,
        usable: alike.filter(({ usable }) => usable).length,
        accelerators: accelerators > 0 ? `${accelerator ?? 'unknown'}:${accelerators}` : '',
        cpuMilli,
        memoryMiB,
        priceMicros: priceOf(name, alike),
      },
    ]
  })
}

/** The levels that the labels of nodes tell, each with how many domains it has. */
export function levelsOf(nodes: readonly Node[], own?: OwnLabels): Examination['topology'] {
  const levels: { labels: Set<string>; domains: Set<string>; nodes: number }[] = []
  for (const { labels = {} } of nodes)
    for (const [at, label] of labelsOf(labels, own).entries()) {
      levels[at] ??= { labels: new Set(), domains: new Set(), nodes: 0 }
      if (label === undefined) continue
      levels[at].labels.add(label)
      levels[at].domains.add(labels[label] ?? '')
      levels[at].nodes += 1
    }
  return levels.flatMap(({ labels, domains, nodes: count }, level) =>
    count === 0 ? [] : [{ level, labels: [...labels].sort(), domains: domains.size, nodes: count }],
  )
}

/** Labels that somebody named and no node has. */
export function unknownLabels(nodes: readonly Node[], own?: OwnLabels): Obstacle[] {
  const known = new Set(nodes.flatMap(({ labels = {} }) => Object.keys(labels)))
  if (nodes.length === 0) return []
  return namedLabels(own)
    .filter(({ label }) => !known.has(label))
    .map(({ label, level }) => {
      const near = didYouMean(label, known)
      const fix = near
        ? `--topology ${level === undefined ? '' : `${level}=`}${near}`
        : 'kubectl get nodes --show-labels'
      return { kind: 'invalid', what: `no node has the label ${label}, which is to say where it stands`, fix }
    })
}

/** Regions that the labels of nodes name. */
export const regionsOf = (nodes: readonly Node[]): string[] => [
  ...new Set(nodes.flatMap(({ labels = {} }) => labels[regionLabel] ?? [])),
]

/** What may be installed in a cluster and matters to us, by the group of its API. */
const groups: readonly (readonly [name: string, group: string, versions?: RegExp])[] = [
  ['Kueue', 'kueue.x-k8s.io'],
  ['JobSet', 'jobset.x-k8s.io'],
  ['LeaderWorkerSet', 'leaderworkerset.x-k8s.io'],
  ['DRA', 'resource.k8s.io'],
  // Its v1 holds priority classes, as ever.
  ['PodGroups', 'scheduling.k8s.io', /alpha|beta/],
  ['GPU operator', 'nvidia.com'],
  ['ComputeDomains', 'resource.nvidia.com'],
  ['CoreWeave', 'compute.coreweave.com'],
]

const Groups = z.object({
  groups: z.array(z.object({ name: z.string(), versions: z.array(z.object({ version: z.string() })) })),
})

/** Reads an `APIGroupList`. */
export function extensionsOf(body: unknown): Examination['extensions'] {
  const served = new Map(
    Groups.parse(body).groups.map(({ name, versions }) => [name, versions.map(({ version }) => version)]),
  )
  return groups.map(([name, group, versions]) => ({
    name,
    versions: (served.get(group) ?? []).filter((version) => versions?.test(version) ?? true),
  }))
}

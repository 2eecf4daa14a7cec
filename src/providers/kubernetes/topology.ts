type Labels = Record<string, string>
type Levels = readonly (readonly string[])[]

/** What a declaration calls the levels, the tightest first. */
export const levelNames = ['nvlink', 'block', 'tier2', 'tier3', 'tier4', 'zone'] as const

/**
 * Labels that a site's declaration names: by level, where they are looked at before those known here, or as a list with the
 * tightest first, which stands for all that is known.
 */
export type OwnLabels = readonly string[] | Readonly<Partial<Record<(typeof levelNames)[number], readonly string[]>>>

/**
 * Labels that say where a node stands, the tightest level first, each as those who operate clusters name it. The first
 * level is the accelerator domain (NVLink), then follow the tiers of the network, leaf first. Of one level the first label
 * that a node has counts.
 *
 * Amazon EKS, Google's GKE, Oracle's OKE, CoreWeave, NVIDIA's GPU operator and Topograph; Azure labels none of it, so there
 * Topograph's are found.
 */
const levels: Levels = [
  [
    'nvidia.com/gpu.clique',
    'accelerator.topograph.run/domain',
    'network.topology.nvidia.com/accelerator',
    'ds.coreweave.com/nvlink.domain',
    'oci.oraclecloud.com/rdma.gpu_memory_fabric_id',
  ],
  [
    'topology.k8s.aws/network-node-layer-4',
    'cloud.google.com/gce-topology-subblock',
    'oci.oraclecloud.com/rdma.local_block_id',
    'fabric.topograph.run/tier-0',
    'network.topology.nvidia.com/leaf',
    'backend.coreweave.cloud/leafgroup',
    'ib.coreweave.cloud/leafgroup',
  ],
  [
    'topology.k8s.aws/network-node-layer-3',
    'cloud.google.com/gce-topology-block',
    'oci.oraclecloud.com/rdma.network_block_id',
    'fabric.topograph.run/tier-1',
    'network.topology.nvidia.com/spine',
    'ib.coreweave.cloud/superpod',
    'backend.coreweave.cloud/superpod',
  ],
  [
    'topology.k8s.aws/network-node-layer-2',
    'oci.oraclecloud.com/rdma.hpc_island_id',
    'fabric.topograph.run/tier-2',
    'network.topology.nvidia.com/core',
    'backend.coreweave.cloud/fabric',
    'ib.coreweave.cloud/fabric',
  ],
  ['topology.k8s.aws/network-node-layer-1', 'fabric.topograph.run/tier-3'],
  ['topology.kubernetes.io/zone'],
]

/**
 * Where a node stands: its accelerator domain, or itself where it is in none, then the domains that its labels name, and
 * the site.
 */
export function pathOf({
  name,
  labels,
  site,
  own,
}: {
  name: string
  labels: Labels
  site: string
  own?: OwnLabels | undefined
}): string[] {
  const [domain, ...tiers] = labelsOf(labels, own).map((label) => (label === undefined ? undefined : labels[label]))
  return [domain ?? name, ...tiers.filter((tier) => tier !== undefined), site]
}

/** The level of a spec's topology that a label of nodes stands for; undefined for wider ones, and for others. */
export function levelOfLabel(label: string): 'node' | 'nvlink' | 'block' | undefined {
  if (label === 'kubernetes.io/hostname') return 'node'
  return (['nvlink', 'block'] as const).find((_, level) => levels[level]?.includes(label))
}

/** The label that says where a node stands, for each level, the tightest first; nothing where none of a level does. */
export const labelsOf = (labels: Labels, own?: OwnLabels): (string | undefined)[] =>
  levelsWith(own).map((known) => known.find((label) => labels[label] !== undefined && labels[label] !== ''))

/** All labels that a declaration names, each with the level that it says. */
export const namedLabels = (own: OwnLabels = {}): { label: string; level?: string }[] =>
  isList(own)
    ? own.map((label) => ({ label }))
    : levelNames.flatMap((level) => (own[level] ?? []).map((label) => ({ label, level })))

function levelsWith(own: OwnLabels = {}): Levels {
  if (isList(own)) return own.map((label) => [label])
  return levels.map((known, at) => [...(own[levelNames[at] ?? 'zone'] ?? []), ...known])
}

const isList = (own: OwnLabels): own is readonly string[] => Array.isArray(own)

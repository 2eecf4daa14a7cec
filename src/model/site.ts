import { z } from 'zod'

import { CheckpointStore } from './checkpoint-store.ts'
import { EgressTariff } from './egress.ts'
import { Jurisdiction, Name, ProviderName } from './names.ts'
import { Shape } from './resources.ts'

/** Where at a provider: a region, zone, cluster or partition. Written as `provider/name`. */
export const Site = z.object({
  provider: ProviderName,
  name: Name,
  jurisdictions: z
    .array(Jurisdiction)
    .min(1)
    .meta({ description: 'Its country first, then the groups it belongs to.' }),
  patienceMs: z.int().min(0).meta({ description: 'How long it may not answer before what runs there counts as lost.' }),
  upWithinMs: z.int().min(0).optional().meta({
    description:
      'How long the nodes of an order may take to come up before another site is tried; two minutes when absent, and 0.2 s a rank for more than 600.',
  }),
  mixesShapes: z.literal(true).optional().meta({
    description: 'One order may be for nodes of several shapes; absent where they have to be alike.',
  }),
  checkpoints: CheckpointStore.optional().meta({
    description: 'The object store that keeps checkpoints of jobs there; absent where folders do.',
  }),
  checkpointFolder: z.string().max(1000).optional().meta({
    description:
      'Where its nodes keep checkpoints of workloads that name no folder; relative to the folder of each rank, which goes with it. Absent where they are where the house keeps all.',
  }),
  egress: z
    .array(EgressTariff)
    .optional()
    .meta({ description: "What data costs that leaves it; absent for its provider's list prices, where known." }),
})
export type Site = z.infer<typeof Site>

/** `provider/name`, the word for a site in specs, tables and the API. */
export const siteKey = (site: { provider: string; name: string }): string => `${site.provider}/${site.name}`

/** One machine of a site with an inventory, and where it stands: its accelerator domain, then fabric tiers, leaf first. */
export const Node = z.object({
  name: z.string(),
  shape: Shape,
  path: z.array(z.string()).meta({ description: 'Topology domains, the tightest first.' }),
  usable: z.boolean(),
  labels: z.record(z.string(), z.string()).optional().meta({ description: 'What it is called in terms of its site.' }),
  taints: z
    .array(z.string())
    .optional()
    .meta({ description: 'Marks that keep off whoever does not tolerate all of them.' }),
  foreign: z
    .object({ cpuMilli: z.int(), memoryMiB: z.int(), diskMiB: z.int(), accelerators: z.int() })
    .optional()
    .meta({ description: 'What others use of it.' }),
})
export type Node = z.infer<typeof Node>

/**
 * Whether a site answers, and since when it has been so. `unknown` is a state: an unreachable site is not a dead one. The
 * detail of one that answers is what will keep us from it before long, and what helps; empty where nothing does.
 */
export type SiteReach = { site: string; reach: 'reachable' | 'unreachable' | 'denied'; since: number; detail: string }

/** In milliseconds. Longer than two looks at a site that does not answer are apart, also where another control plane goes on with them. */
export const lapseMs = 25_000

import { z } from 'zod'

/** So many of a thing: exactly, or at least when the text ended in `+`. */
export const Amount = z.object({ count: z.number().min(0), atLeast: z.boolean() })
export type Amount = z.infer<typeof Amount>

/**
 * Accelerators of one node: by model (`H200:8`) or by the memory of each (`80GB+:8`); a share of one (`H100:0.5`), or
 * a slice that a model can be cut into (`A100/1g.5gb`).
 */
export const AcceleratorRequest = z.object({
  model: z.string().optional().meta({ description: 'Model, such as H200; absent when asked for by memory.' }),
  memoryMiB: Amount.optional().meta({ description: 'Memory of one accelerator, in MiB.' }),
  count: z.int().min(1).meta({ description: 'Accelerators in one node; 1 for a part of one.' }),
  shareMilli: z
    .int()
    .min(10)
    .max(990)
    .optional()
    .meta({ description: 'Part of one accelerator, in thousandths; absent for whole ones.' }),
  profile: z.string().optional().meta({ description: 'Size of a slice (MIG), such as 1g.5gb; absent for whole ones.' }),
})
export type AcceleratorRequest = z.infer<typeof AcceleratorRequest>

/** Whether it asks for a share or a slice of one accelerator instead of whole ones. */
export const isPart = ({ shareMilli, profile }: AcceleratorRequest): boolean =>
  shareMilli !== undefined || profile !== undefined

/** What a rank holds of one accelerator of its node, beside others: thousandths, or a slice that it is cut into (MIG). */
export const AcceleratorPart = z.object({
  device: z
    .int()
    .min(0)
    .meta({ description: 'Which shared accelerator of the node it is: parts of one number are of one accelerator.' }),
  shareMilli: z
    .int()
    .min(1)
    .max(1000)
    .meta({ description: 'Thousandths of it; of a slice its dominant share of compute and memory, rounded up.' }),
  profile: z.string().max(40).optional().meta({ description: 'Size of the slice, such as 1g.10gb.' }),
  start: z.int().min(0).max(7).optional().meta({ description: 'Slice of memory at which the slice begins.' }),
})
export type AcceleratorPart = z.infer<typeof AcceleratorPart>

/**
 * What may connect nodes beside their plain network: `rdma` (InfiniBand, RoCE, EFA), and `imex`, by which accelerators
 * reach the memory of those in other nodes of their NVLink domain.
 */
export const Network = z.enum(['rdma', 'imex'])
export type Network = z.infer<typeof Network>

const need = z.enum(['required', 'preferred'])

/** Networks that have to be there, and those that are taken where they are. */
export const NetworkRequest = z.strictObject({
  rdma: need.optional().meta({ description: 'InfiniBand, RoCE or EFA.' }),
  imex: need.optional().meta({ description: 'Memory of accelerators in other nodes, over NVLink.' }),
})
export type NetworkRequest = z.infer<typeof NetworkRequest>

/**
 * What one node must have. Alternatives stand in the order of preference when `ordered`, else the cheapest wins.
 * CPUs are thousandths of a core (milli), so that half a core is an integer.
 */
export const Resources = z.object({
  accelerators: z.array(AcceleratorRequest).max(16),
  ordered: z.boolean(),
  cpuMilli: Amount,
  memoryMiB: Amount,
  diskMiB: Amount,
  /** Of /dev/shm, as a part of its memory. */
  sharedMemoryMiB: z.int().min(1).optional(),
  network: NetworkRequest.optional(),
})
export type Resources = z.infer<typeof Resources>

export const requiredNetworks = ({ network = {} }: Pick<Resources, 'network'>): Network[] =>
  Network.options.filter((one) => network[one] === 'required')

/** What one node has, or a slice of a node is given. */
export const Shape = z.object({
  name: z.string().meta({ description: "The provider's name of it, such as p5.48xlarge." }),
  accelerator: z.string().optional().meta({ description: 'Accelerator model.' }),
  accelerators: z.int().min(0).meta({ description: 'Accelerators in one node.' }),
  acceleratorMemoryMiB: z.int().min(0).meta({ description: 'Memory of one accelerator, in MiB.' }),
  mig: z.boolean().optional().meta({ description: 'Whether its accelerators can be had in slices (MIG).' }),
  cpuMilli: z.int().min(0).meta({ description: 'CPUs, in thousandths of a core.' }),
  memoryMiB: z.int().min(0),
  diskMiB: z.int().min(0),
  sharedMemoryMiB: z
    .int()
    .min(0)
    .optional()
    .meta({ description: 'The most that its /dev/shm may hold; absent where nobody tells.' }),
  network: z.array(Network).optional().meta({ description: 'What connects it beside its plain network.' }),
})
export type Shape = z.infer<typeof Shape>

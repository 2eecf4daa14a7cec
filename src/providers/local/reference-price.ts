/**
 * What a vCPU of this machine is said to cost when nobody declared a price: a figure to plan with, never a bill.
 * AWS m7i.large (2 vCPUs, 8 GiB) in us-east-1 on demand, $0.1008 an hour, from the AWS price list of 2026-07-20.
 */
const vCpuMicros = 50_400

/** Where it comes from, and how to replace it. */
export const referenceSource = 'as AWS m7i.large in us-east-1 on demand, 2026-07-20; set your own in sites.yaml'

/** Price of so many vCPUs for one hour, in micro-dollars. */
export const referencePrice = (vCpus: number): number => vCpus * vCpuMicros

import type { DraftResources } from '#cli/import/draft.ts'
import type { Field } from '#cli/import/field.ts'
import { formatSizeMiB } from '#kit/size.ts'
import { isRdma } from '#providers/kubernetes/fabric.ts'
import { quantity } from '#providers/kubernetes/quantity.ts'

/** What device plug-ins call whole accelerators. */
const accelerators: ReadonlySet<string> = new Set([
  'nvidia.com/gpu',
  'amd.com/gpu',
  'aws.amazon.com/neuron',
  'habana.ai/gaudi',
])
const slice = /^nvidia\.com\/mig-(\d+g\.\d+gb)$/

/** What a container asks for, besides how many accelerators: which those are says its pod. */
export type Asked = {
  amounts: Pick<DraftResources, 'cpus' | 'memory' | 'disk' | 'network'>
  accelerators: number
  /** The fields that ask for them. */
  from: Field | undefined
  /** Size of a slice (MIG). */
  profile: string | undefined
}

/** What a container asks for: its requests, and its limits where it has none. */
export function resourcesOf(container: Field): Asked {
  const [requests, limits] = [container.at('resources', 'requests'), container.at('resources', 'limits')]
  const asked: Asked = { amounts: {}, accelerators: 0, from: undefined, profile: undefined }
  const limited = limits.entries()
  const requested = requests.entries()
  for (const [name, field] of requested) takeAmount(name, field, asked)
  for (const [name, field] of limited) {
    const beside = requested.find(([other]) => other === name)?.[1]
    if (!beside) takeAmount(name, field, asked)
    else if (quantity(String(beside.value)) === quantity(String(field.value))) field.carry(carriedTo(name))
    else
      field.leave({
        message: `Isobar gives at least what is requested (${String(beside.value)}), and knows no other limit`,
        fix: 'request what it needs at its most',
      })
  }
  return asked
}

const carriedTo = (name: string): string =>
  ({ cpu: 'resources.cpus', memory: 'resources.memory', 'ephemeral-storage': 'resources.disk' })[name] ??
  (isRdma(name) ? 'resources.network' : 'resources.accelerators')

const mebibyte = 2 ** 20

function takeAmount(name: string, field: Field, asked: Asked): void {
  const amount = isAmount(field.value) ? quantity(String(field.value)) : Number.NaN
  const [, profile] = slice.exec(name) ?? []
  if (!(amount >= 0) || (amount === 0 && quantityIsOdd(field.value)))
    return field.leave({ message: 'this is not an amount', fix: 'write for example 4, 500m or 64Gi' })
  if (name === 'cpu') asked.amounts.cpus = atLeast(Math.ceil(amount * 1000) / 1000)
  else if (name === 'memory') asked.amounts.memory = sizeText(amount)
  else if (name === 'ephemeral-storage') asked.amounts.disk = sizeText(amount)
  else if (isRdma(name)) {
    // How many of its cards a node has, its site knows.
    if (amount > 0) asked.amounts.network = 'rdma'
  } else if (!accelerators.has(name) && profile === undefined)
    return field.leave({
      message: `${name} is a resource of that cluster alone`,
      fix: 'where nodes have a label for it, write placement: { nodeLabels: … }',
    })
  else if (!Number.isInteger(amount) || amount > 9999)
    return field.leave({ message: 'accelerators are counted in whole ones', fix: 'write a whole number' })
  else if (asked.accelerators > 0)
    return field.leave({
      message: 'a node has accelerators of one kind',
      fix: 'ask for the other kind in a role of its own',
    })
  else if (amount > 0) {
    asked.accelerators = amount
    asked.from = field
    asked.profile = profile
  }
  field.carry(carriedTo(name))
}

const isAmount = (value: unknown): boolean => typeof value === 'string' || typeof value === 'number'
const quantityIsOdd = (value: unknown): boolean => !/^[+-]?[0.]+([eE][+-]?\d+)?[a-zA-Z]*$/.test(String(value))

/** Requests are what a pod has at the least. */
const atLeast = (amount: number): string | undefined => (amount > 0 ? `${amount}+` : undefined)
const sizeText = (bytes: number): string | undefined =>
  bytes > 0 ? `${formatSizeMiB(Math.ceil(bytes / mebibyte))}+` : undefined

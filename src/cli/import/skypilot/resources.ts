import type { Draft, DraftResources } from '#cli/import/draft.ts'
import type { Field } from '#cli/import/field.ts'
import { parseAccelerator, parseCpus, parseSizeAmount } from '#model/spec/resources-text.ts'

type Found = { resources: DraftResources; image?: string; placement: NonNullable<Draft['placement']>; gpus: number }

const clouds: ReadonlyMap<string, 'aws' | 'azure' | 'gcp' | 'oci' | 'kubernetes'> = new Map([
  ...(['aws', 'azure', 'gcp', 'oci', 'kubernetes'] as const).map((name) => [name, name] as const),
  ['k8s', 'kubernetes'],
])

/** The resources of a task, and where it may be. */
export function resourcesOf(field: Field): Found {
  const found: Found = { resources: {}, placement: {}, gpus: 0 }
  for (const name of ['accelerators', 'gpus']) readAccelerators(field.at(name), found)
  readAmount(field.at('cpus'), 'cpus', found)
  readAmount(field.at('memory'), 'memory', found)
  readAmount(field.at('disk_size'), 'disk', found)
  const image = field.at('image_id')
  if (typeof image.value === 'string' && image.value.startsWith('docker:')) {
    found.image = image.value.slice('docker:'.length)
    image.carry('image')
  }
  if (field.at('use_spot').flag('placement.tiers') === true) found.placement.tiers = ['spot']
  for (const name of ['infra', 'cloud']) {
    const cloud = clouds.get(String(field.at(name).value).toLowerCase())
    if (cloud === undefined) continue
    found.placement.providers = [cloud]
    field.at(name).carry('placement.providers')
  }
  const network = field.at('network_tier')
  if (network.value === 'best') {
    found.resources.network = { rdma: 'preferred' }
    network.carry('resources.network')
  } else if (network.value === 'standard') network.skip()
  const price = field.at('max_hourly_cost')
  if (typeof price.value === 'number' && price.value > 0) {
    found.placement.maxPrice = `$${price.value}/h`
    price.carry('placement.maxPrice')
  }
  return found
}

/** `H100:8`, `{H100: 8}`, a list in the order of preference, or names with their count and no value, `{H100:8}`. */
function readAccelerators(field: Field, found: Found): void {
  if (!field.isThere) return
  const { value } = field
  const written = Array.isArray(value)
    ? value.map(String)
    : typeof value === 'object' && value !== null
      ? Object.entries(value).map(([name, count]) => (count === null ? name : `${name}:${String(count)}`))
      : [String(value)]
  const read = written.map(parseAccelerator)
  if (read.length === 0 || read.length > 16 || read.some((one) => 'problem' in one))
    return field.leave({
      message: 'this is not an accelerator that a spec can name',
      fix: 'write accelerators: H100:8',
    })
  const [first = '', ...others] = written
  found.resources.accelerators = others.length === 0 ? first : Array.isArray(value) ? written : { any: written }
  found.gpus = Math.max(...read.map((one) => ('count' in one ? one.count : 0)))
  field.carry('resources.accelerators')
}

/** Sizes without a unit are gigabytes there and here. */
function readAmount(field: Field, to: 'cpus' | 'memory' | 'disk', { resources }: Found): void {
  if (!field.isThere) return
  const text = String(field.value)
  const isAmount = !('problem' in (to === 'cpus' ? parseCpus(text) : parseSizeAmount(text)))
  if (!isAmount)
    return field.leave({ message: 'this is not an amount that a spec can say', fix: 'write for example 8+ or 64GB+' })
  resources[to] = to === 'disk' && !text.endsWith('+') ? `${text}+` : text
  field.carry(`resources.${to}`)
}

import type { Draft } from '#cli/import/draft.ts'
import type { Field } from '#cli/import/field.ts'
import { levelOfLabel } from '#providers/kubernetes/topology.ts'

type Topology = NonNullable<Draft['topology']>

const unknownLevel = (label: unknown) => ({
  message: `${String(label)} is no level that Isobar knows the name of`,
  fix: 'write topology: { within: nvlink } or { within: block }, whichever it stands for',
})

/** How close together the pods of an object are to be, by Kueue's annotations and JobSet's. */
export function topologyOf(template: Field): Topology | undefined {
  const at = (name: string): Field => template.at('metadata', 'annotations', `kueue.x-k8s.io/podset-${name}`)
  const topology: Topology = {}
  for (const [name, required] of [
    ['required-topology', true],
    ['preferred-topology', false],
  ] as const) {
    const level = levelOf(at(name), 'topology.within')
    if (level === undefined) continue
    if (level === 'node')
      at(name).leave({ message: 'each node of a gang is a machine of its own', fix: 'ask for one larger node' })
    else {
      topology.within = level
      if (!required) topology.required = false
    }
  }
  const [slice, size] = [at('slice-required-topology'), at('slice-size')]
  const inside = levelOf(slice, 'topology.slices')
  const ranks = Number(size.value)
  if (inside !== undefined && Number.isInteger(ranks) && ranks > 0 && ranks <= 100_000) {
    topology.slices = { ranks, within: inside }
    size.carry('topology.slices')
  }
  if (at('unconstrained-topology').value === 'true') at('unconstrained-topology').skip()
  return Object.keys(topology).length > 0 ? topology : undefined
}

/** The level that the label in a field stands for. */
export function levelOf(field: Field, to: string): 'node' | 'nvlink' | 'block' | undefined {
  if (!field.isThere) return undefined
  const level = levelOfLabel(String(field.value))
  if (level === undefined) return field.leave(unknownLevel(field.value))
  field.carry(to)
  return level
}

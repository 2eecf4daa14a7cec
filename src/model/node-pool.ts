import { z } from 'zod'

/** Nodes that are alike, of which a cloud keeps as many at a site as it was asked for, as far as it has them. */
export const NodePool = z.object({
  name: z.string(),
  target: z.int().min(0).meta({ description: 'Nodes that it was asked for.' }),
  current: z.int().min(0).meta({ description: 'Nodes that are there.' }),
  most: z.int().min(0).optional().meta({ description: 'So many we may ask for; absent where that is not ours to do.' }),
  step: z.int().min(1).meta({ description: 'It grows and shrinks by so many nodes: a rack, or one.' }),
  added: z.int().min(0).meta({ description: 'Nodes of its target that we asked for, and nobody else.' }),
  hindered: z.string().optional().meta({ description: 'What it says of why nodes do not come.' }),
})
export type NodePool = z.infer<typeof NodePool>

/** More nodes of it are on their way, or may be asked for. */
export const mayGrow = ({ current, target, most = 0 }: NodePool): boolean => current < Math.max(target, most)

/** How it stands, where not all are there that were asked for: as a part of a sentence. */
export function poolText({ name, target, current, hindered }: NodePool): string | null {
  if (current >= target && hindered === undefined) return null
  return `NodePool ${name} has ${current} of ${target} nodes${hindered === undefined ? '' : ` (${hindered})`}`
}

import { hostsOf } from './controller.ts'

type Switch = { name: string; nodes: string[]; switches: string[] }

const most = { lines: 100_000, levels: 16 }

/**
 * Where nodes stand, by lines as in topology.conf or as `scontrol show topology` prints them: a `SwitchName` of the plugin
 * `tree` is a tier of the network, and a `BlockName` of `block` a domain of accelerators. A path begins with that, or with
 * the node itself where it is in none, and goes up. What is wrong with it is told as a text.
 *
 * Slurm's topology.conf(5).
 */
export function pathsIn(text: string): Map<string, string[]> | string {
  const lines = text.split('\n', most.lines)
  const blocks = new Map<string, string>()
  const switches: Switch[] = []
  for (const line of lines) {
    const field = (name: string) => new RegExp(`(?:^|\\s)${name}=(\\S+)`, 'i').exec(line.replace(/#.*/, ''))?.[1] ?? ''
    const block = field('BlockName')
    // Larger blocks are told beside those that they are made of, with all of their nodes again.
    if (block !== '') for (const node of hostsOf(field('Nodes'))) if (!blocks.has(node)) blocks.set(node, block)
    const name = field('SwitchName')
    if (name !== '') switches.push({ name, nodes: hostsOf(field('Nodes')), switches: hostsOf(field('Switches')) })
  }
  if (switches.length === 0) return new Map([...blocks].map(([node, block]) => [node, [block]]))
  return treeOf(switches)
}

/** Leaves name nodes, the others switches, and what scontrol prints names for those all nodes below as well. */
function treeOf(switches: readonly Switch[]): Map<string, string[]> | string {
  const above = new Map<string, string>()
  for (const { name, switches: below } of switches) for (const one of below) above.set(one, name)
  const paths = new Map<string, string[]>()
  for (const { name, nodes, switches: below } of switches) {
    if (below.length > 0) continue
    const tiers = [name]
    for (let next = above.get(name); next !== undefined; next = above.get(next)) {
      if (tiers.length > most.levels) return `switch ${name} is below itself, or below more than ${most.levels} others`
      tiers.push(next)
    }
    for (const node of nodes) paths.set(node, [node, ...tiers])
  }
  return paths
}

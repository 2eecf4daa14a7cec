import type { JoinView } from '#api/site-views.ts'
import { formatMoney } from '#kit/money.ts'
import { renderFacts, renderTable } from './output/table.ts'

type Style = { width: number; wide: boolean; colour: boolean }

/** What was found at a site, for people. */
export function foundText({ facts, nodes, topology, extensions }: JoinView, style: Style): string {
  const there = extensions.filter(({ versions }) => versions.length > 0)
  const absent = extensions.filter(({ versions }) => versions.length === 0).map(({ name }) => name)
  const all = [
    ...facts.map(({ name, value }) => [name, value] as const),
    ...there.map(({ name, versions }) => [name, versions.join(', ')] as const),
    ...(absent.length > 0 ? [['not there', absent.join(', ')] as const] : []),
  ]
  const parts = all.length > 0 ? [renderFacts(all, style.colour)] : []
  if (nodes.length > 0)
    parts.push(
      renderTable(
        nodes,
        [
          { title: 'SHAPE', cell: ({ shape }) => shape, text: true },
          { title: 'NODES', cell: (one) => String(one.nodes), right: true },
          { title: 'USABLE', cell: ({ usable }) => String(usable), right: true },
          { title: 'ACCELERATORS', cell: ({ accelerators }) => accelerators },
          { title: 'CPUS', cell: ({ cpuMilli }) => String(cpuMilli / 1000), right: true },
          { title: 'MEMORY', cell: ({ memoryMiB }) => `${Math.round(memoryMiB / 1024)}GB`, right: true },
          {
            title: 'PRICE/H',
            cell: ({ priceMicros }) => (priceMicros === null ? 'unknown' : formatMoney(BigInt(priceMicros))),
            right: true,
          },
        ],
        style,
      ),
    )
  if (topology.length > 0)
    parts.push(
      renderTable(
        topology,
        [
          { title: 'LEVEL', cell: ({ level }) => (level === 0 ? 'accelerator domain' : `tier ${level}`) },
          { title: 'DOMAINS', cell: ({ domains }) => String(domains), right: true },
          { title: 'NODES', cell: (one) => String(one.nodes), right: true },
          { title: 'LABELS', cell: ({ labels }) => labels.join(', '), text: true },
        ],
        style,
      ),
    )
  return parts.join('\n')
}

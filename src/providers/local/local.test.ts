import { randomUUID } from 'node:crypto'
import { mkdtempSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { ScriptedControlPlane } from '#agent/scripted-control-plane.ts'
import type { Shape } from '#model/resources.ts'
import { describeProvider, type Program, type Rig } from '#providers/conformance.ts'

import { createLocal } from './local.ts'

const shape: Shape = {
  name: 'small',
  accelerators: 0,
  acceleratorMemoryMiB: 0,
  cpuMilli: 1000,
  memoryMiB: 256,
  diskMiB: 100,
}

/** A shell script that does what a conformance test asks of a rank. */
function scriptOf({ prints = [], until }: Program): string {
  const lines = prints.map((line) => `echo ${line}`)
  if (typeof until === 'number') return [...lines, `exit ${until}`].join('\n')
  if (until === 'told') return [...lines, 'exec sleep 1000'].join('\n')
  if (until === 'killed') return ["trap '' TERM", ...lines, 'while :; do sleep 0.1; done'].join('\n')
  return [...lines, `kill -${until.slice(3)} $$`].join('\n')
}

async function openRig(): Promise<Rig> {
  const home = mkdtempSync(join(tmpdir(), 'isobar-local-'))
  const root = join(home, 'west')
  const nodes = [0, 1, 2, 3].map((index) => ({ name: `n${index}`, shape, path: [`n${index}`], usable: true }))
  const site = {
    name: 'west',
    root,
    jurisdictions: ['US'],
    patienceMs: 1000,
    tier: 'on-demand' as const,
    priceMicros: 0,
    nodes,
  }
  const controlPlane = await ScriptedControlPlane.open()
  const build = () => createLocal({ sites: [site] })
  let provider = build()
  const order: Rig['order'] = ({ ranks = 1, ...changes } = {}) => {
    const token = changes.token ?? `l-${randomUUID()}`
    return {
      token,
      workload: 'w-1',
      attempt: 1,
      site: 'west',
      tier: 'on-demand',
      ranks: Array.from({ length: ranks }, (_, rank) => ({ rank, shape })),
      graceMs: 1000,
      controlPlanes: [controlPlane.address],
      credential: `c-${token}`,
      ...changes,
    }
  }
  return {
    provider,
    site: 'west',
    order,
    script(asked, programs) {
      controlPlane.gangs.set(asked.credential, {
        ranks: asked.ranks.length,
        go: (rank) => ({ run: scriptOf(programs[rank] ?? { until: 0 }) }),
      })
    },
    reopen: () => (provider = build()),
    async close() {
      const signal = AbortSignal.timeout(20_000)
      const left = await provider.list('west', signal)
      const orders = left.ok ? left.value : []
      while (orders.length > 0) {
        const [first] = orders
        const gone = first && (await provider.retire({ site: 'west', token: first.token }, 0, signal))
        if (!gone?.ok || gone.value === 'gone') orders.shift()
      }
      await controlPlane.down()
      rmSync(home, { recursive: true, force: true })
    },
    cut: () => renameSync(root, `${root}-away`),
    restore: () => renameSync(`${root}-away`, root),
    tooMuch: () => order({ ranks: 5 }),
  }
}

describeProvider('local', openRig)

import { renameSync } from 'node:fs'

import { ScriptedControlPlane } from '#agent/scripted-control-plane.ts'
import { describeProvider, type Program, type Rig } from '#providers/conformance.ts'

import { createLocal } from './local.ts'
import { openLocalRig } from './rig.ts'

/** A shell script that does what a conformance test asks of a rank. */
function scriptOf({ prints = [], until }: Program): string {
  const lines = prints.map((line) => `echo ${line}`)
  if (typeof until === 'number') return [...lines, `exit ${until}`].join('\n')
  if (until === 'told') return [...lines, 'exec sleep 1000'].join('\n')
  if (until === 'killed') return ["trap '' TERM", ...lines, 'while :; do sleep 0.1; done'].join('\n')
  return [...lines, `kill -${until.slice(3)} $$`].join('\n')
}

async function openRig(): Promise<Rig> {
  const controlPlane = await ScriptedControlPlane.open()
  const rig = openLocalRig(controlPlane.address)
  const { root } = rig.site
  const script: Rig['script'] = (asked, programs) => {
    controlPlane.gangs.set(asked.credential, {
      ranks: asked.ranks.length,
      go: (rank) => ({ run: scriptOf(programs[rank] ?? { until: 0 }) }),
    })
  }
  return {
    ...rig,
    site: 'west',
    script,
    hindered() {
      const order = rig.order()
      script(order, [{ until: 'SIGKILL' }])
      return { order, kind: 'signal' }
    },
    reopen: () => createLocal({ sites: [rig.site] }),
    async close() {
      await rig.close()
      await controlPlane.down()
    },
    cut: () => renameSync(root, `${root}-away`),
    restore: () => renameSync(`${root}-away`, root),
    tooMuch: () => rig.order({ ranks: 5 }),
  }
}

describeProvider('local', openRig, {
  notice: 'nobody takes this machine away',
  retryAfter: 'no API refuses its calls',
  watch: 'an agent that dies leaves no word in its folder',
})

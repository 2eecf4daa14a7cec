import assert from 'node:assert/strict'
import { test } from 'node:test'

import { ProfileName } from '#providers/simulated/profiles.ts'
import { onMemory } from '#simulator/house/on-memory.ts'
import { behaviourEnv } from '#simulator/house/process.ts'
import { runStory } from '#simulator/house/run.ts'
import type { Step, Story } from '#simulator/house/story.ts'
import { shape } from '#simulator/house/shape.ts'

const minuteMs = 60_000
/** A site that behaves as each provider is known to, and jobs that may go nowhere else. */
function everywhere(seed: number): Story {
  const steps = ProfileName.options.flatMap((profile, i) =>
    [1, 2].map((nodes): Step => ({
      at: i * 2_000 + nodes,
      do: 'submit',
      spec: {
        kind: 'job',
        name: `${profile}-${nodes}`,
        run: 'work',
        nodes,
        resources: { cpus: '4+', memory: '1GB+' },
        env: behaviourEnv({ runMs: nodes * 30_000, exitCode: 0, stopMs: 500 }),
        retry: { onLoss: 20 },
        placement: { sites: [`simulated/${profile}`] },
      },
    })),
  )
  return {
    seed,
    planes: [{ name: 'a', skewMs: 0 }],
    cloud: {
      sites: ProfileName.options.map((profile) => ({
        name: profile,
        jurisdictions: ['DE', 'EU'],
        patienceMs: minuteMs,
        profile,
        pools: [{ tier: 'spot', shape, priceMicros: 1_000_000, nodes: 4 }],
      })),
    },
    troubles: [],
    agents: { sites: [], skewMs: 0 },
    projects: [],
    steps,
    calmAt: 5 * minuteMs,
  }
}

test('at sites that behave as real providers are known to, work ends, and all that must be true is so', async () => {
  const ending = await runStory(everywhere(1), onMemory)
  assert.deepEqual(ending.breaches, [])
  const met = new Set(Object.keys(ending.coverage.met).map((key) => key.split(' ')[0]))
  assert.ok(met.size > 5, `only ${[...met]} befell`)
})

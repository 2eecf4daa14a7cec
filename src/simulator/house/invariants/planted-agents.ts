import type { AgentReport } from '#model/agent-protocol.ts'
import type { World } from '#simulator/world.ts'
import { rash } from './planted-work.ts'
import { type Planted, readingDue, type Story } from './planted-world.ts'

/** Until then both agents are heard. */
const lastSteps = 10

const aReport = (rank: number, at: number): AgentReport => ({
  rank,
  state: 'running',
  address: '',
  endpoints: [],
  ready: true,
  exit: null,
  startedAt: at,
  endedAt: null,
  waitMs: 0,
  seen: '',
})

/** Both nodes of a gang live; the agent of one is heard all the time, and that of the other falls silent. */
const halfMute: Story = {
  workloads: [{ kind: 'job', name: 'gang', run: 'train', nodes: 2, retry: { onLoss: 0 } }],
  faults: { bootMs: [1_000, 1_000], runMs: [3_600_000, 3_600_000] },
  steps: 720,
  bounds: { muteMs: 660_000 },
  agentsOf: () => [
    { state: 'running', exitCode: null, endedAt: null, silentMs: 3_600_000, isMute: true },
    { state: 'running', exitCode: null, endedAt: null, silentMs: 0, isMute: false },
  ],
  async afterStep({ house }: World, step) {
    const { store, clock } = house
    for (const { id } of await store.workloads.list({ states: ['running'] }, { size: 10 }))
      for (const { lease } of await store.workloads.attempts(id))
        for (const rank of step < lastSteps ? [0, 1] : [1])
          if (lease) await store.agents.report(lease.id, aReport(rank, clock.now()), clock.now())
  },
}

/** A store in which every agent has just been heard. */
const hearingAll = readingDue((facts, now) => ({
  ...facts,
  attempts: facts.attempts.map((attempt) => ({
    ...attempt,
    ranks: attempt.ranks.map((rank) => ({ ...rank, heardAt: rank.heardAt && now })),
  })),
}))

export const plantedInAgents: readonly Planted[] = [
  {
    fault: 'an agent that says nothing is taken for one that is heard',
    breaks: 'what has an agent that says nothing is given up in its time',
    store: hearingAll,
    story: halfMute,
  },
  {
    fault: 'what has an agent that says nothing is placed anew while it is still there',
    breaks: 'what is well is left alone, for its patience where nobody answers',
    loops: rash({ retire: true }),
    story: {
      ...halfMute,
      workloads: [{ kind: 'job', name: 'gang', run: 'train', nodes: 2, retry: { onLoss: 5 } }],
      steps: 60,
    },
  },
]

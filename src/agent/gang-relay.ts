import { randomUUID } from 'node:crypto'

import type { GangOrder } from '#model/gang-folder.ts'
import type { GangAnswer, GangAsk } from '#model/gang-relay.ts'

import { createControlPlane } from './control-plane.ts'
import type { GangDesk } from './gang-desk.ts'

/** A credential that nobody knows may be known again (a restored database); after this long it is over. */
const mostDeniedMs = 15 * 60_000

/** What the job of a gang has in its environment whose nodes see no disk of ours. */
type RelayEnvironment = { credential: string; controlPlanes: string[] }

/** What a rank runs never sees it: it is given what anybody may see, and what its spec says. */
export function relayEnvironment(): RelayEnvironment {
  const { ISOBAR_CREDENTIAL = '', ISOBAR_CONTROL_PLANES = '' } = process.env
  return { credential: ISOBAR_CREDENTIAL, controlPlanes: ISOBAR_CONTROL_PLANES.split(' ').filter((one) => one !== '') }
}

export type Relay = {
  /** Asks until somebody answers, however long no control plane does; null once nobody knows the gang any more. */
  ask(question: GangAsk): Promise<GangAnswer | null>
  /** Asks once; null without an answer. */
  try(question: GangAsk): Promise<GangAnswer | null>
}

export function createRelay({ credential, controlPlanes }: RelayEnvironment): Relay {
  const controlPlane = createControlPlane({ addresses: controlPlanes, credential })
  return {
    async ask(question) {
      let deniedSince: number | undefined
      for (;;) {
        const reply = await controlPlane.ask(question)
        if (reply.kind === 'answer') return reply.answer.known ? reply.answer : null
        deniedSince = reply.kind === 'denied' ? (deniedSince ?? Date.now()) : undefined
        if (deniedSince !== undefined && Date.now() - deniedSince > mostDeniedMs) return null
        await new Promise((resolve) => setTimeout(resolve, controlPlane.pauseMs()))
      }
    },
    async try(question) {
      const reply = await controlPlane.ask(question)
      return reply.kind === 'answer' ? reply.answer : null
    },
  }
}

/** The folder of the gang as the control plane has it. */
export function deskByRelay(relay: Relay, { credential }: RelayEnvironment): GangDesk {
  const { SLURM_JOB_ID: job = '' } = process.env
  const by = randomUUID()
  let stop = ''
  const orderIn = (answer: GangAnswer | null): GangOrder | null => {
    if (!answer?.order) return null
    const { maximumMs, ranks, ...order } = answer.order
    return {
      ...order,
      credential,
      ...(maximumMs === undefined ? {} : { maximumMs }),
      ranks: ranks.map(({ rank, shape, node }) => ({ rank, shape, ...(node === undefined ? {} : { node }) })),
    }
  }
  return {
    everyMs: 1000,
    claim: async () => orderIn(await relay.ask({ ask: 'claim', job, by })),
    rival: async () => (await relay.ask({ ask: 'claim', job, by }))?.claimedAt ?? null,
    publish: async (nodes) => void (await relay.ask({ ask: 'lead', nodes })),
    async beat() {
      const told = (await relay.try({ ask: 'lead' }))?.stop
      if (told) stop = JSON.stringify(told)
      return stop
    },
    over: async (said) => void (await relay.ask({ ask: 'over', endedAt: Date.now(), said })),
    async join(rank) {
      const answer = await relay.ask({ ask: 'join', rank })
      const order = orderIn(answer)
      if (!order || !answer?.nodes) throw new Error('the gang was retired before this rank began')
      return { order, nodes: answer.nodes }
    },
  }
}

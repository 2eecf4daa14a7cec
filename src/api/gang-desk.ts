import type { Fault, Outcome } from '#model/fault.ts'
import type { GangAnswer, GangAsk, RelayedGang } from '#model/gang-relay.ts'
import type { Abilities } from '#providers/provider.ts'
import { addresses } from './agent-desk.ts'
import { createAllowance } from './allowance.ts'
import type { ApiHouse } from './house.ts'
import { Problem } from './problem.ts'

/** Where gangs of batch jobs ask whose nodes see no disk of ours. */
export type GangDesk = {
  ask(lease: string, question: GangAsk, signal: AbortSignal): Promise<GangAnswer>
  /** The agent with its Node, as a tar archive. */
  program(lease: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>>
}

const unknown: RelayedGang = { known: false, order: null, nodes: null, stop: null, claimedAt: null }

/** Hands on what is asked to the provider that keeps the order; the credential says which order it is. */
export function createGangDesk(house: ApiHouse): GangDesk {
  const allowance = createAllowance({ perSecond: 50, burst: 400 })

  /** Null: there is no such lease, nor was there ever, as far as anybody knows. */
  async function keeperOf(lease: string): Promise<{ site: string; abilities: Abilities } | null> {
    const view = await house.store.agents.view(lease)
    if (!view) return null
    const { provider, site } = view.lease
    return { site, abilities: house.providers.get(provider)?.abilities ?? {} }
  }

  return {
    async ask(lease, question, signal) {
      const who = 'rank' in question ? `${lease}/${question.rank}` : lease
      if (!allowance.take(who, house.clock.now())) throw new Problem('too-many', 'This gang asks too often.')
      const keeper = await keeperOf(lease)
      const controlPlanes = addresses(house)
      if (!keeper) return { ...unknown, controlPlanes }
      const { relay } = keeper.abilities
      if (!relay) throw new Problem('usage', 'The gang of this lease runs where nobody has to ask for it.')
      return { ...valueOf(await relay(keeper.site, { token: lease, question }, signal)), controlPlanes }
    },
    async program(lease, signal) {
      const keeper = await keeperOf(lease)
      const program = keeper?.abilities.program
      if (!program) throw new Problem('not-found', 'The agent of this lease is not fetched.')
      return valueOf(await program(keeper.site, signal))
    },
  }
}

function valueOf<T>(outcome: Outcome<T>): T {
  if (outcome.ok) return outcome.value
  const { kind, detail }: Fault = outcome.fault
  throw new Problem(kind === 'invalid' ? 'usage' : 'unavailable', detail)
}

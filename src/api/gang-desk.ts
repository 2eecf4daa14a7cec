import type { Fault, Outcome } from '#model/fault.ts'
import type { GangAnswer, GangAsk } from '#model/gang-relay.ts'
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

/** Hands on what is asked to the provider that keeps the order; the credential says which order it is. */
export function createGangDesk(house: ApiHouse): GangDesk {
  const allowance = createAllowance({ perSecond: 50, burst: 400 })

  async function keeperOf(lease: string): Promise<{ site: string; abilities: Abilities } | null> {
    const view = await house.store.agents.view(lease)
    const provider = view && house.providers.get(view.lease.provider)
    return view && provider ? { site: view.lease.site, abilities: provider.abilities } : null
  }

  return {
    async ask(lease, question, signal) {
      const who = 'rank' in question ? `${lease}/${question.rank}` : lease
      if (!allowance.take(who, house.clock.now())) throw new Problem('too-many', 'This gang asks too often.')
      const keeper = await keeperOf(lease)
      if (!keeper) throw new Problem('unavailable', 'No provider is known for this lease.')
      const { relay } = keeper.abilities
      if (!relay) throw new Problem('usage', 'The nodes of this lease are not asked about here.')
      const answer = valueOf(await relay(keeper.site, { token: lease, question }, signal))
      return { ...answer, controlPlanes: addresses(house) }
    },
    async program(lease, signal) {
      const keeper = await keeperOf(lease)
      const program = keeper?.abilities.program
      if (!program) throw new Problem('not-found', 'Nothing is fetched for this lease.')
      return valueOf(await program(keeper.site, signal))
    },
  }
}

function valueOf<T>(outcome: Outcome<T>): T {
  if (outcome.ok) return outcome.value
  const { kind, detail }: Fault = outcome.fault
  throw new Problem(kind === 'invalid' ? 'usage' : 'unavailable', detail)
}

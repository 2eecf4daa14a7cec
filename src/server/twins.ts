import type { Logger } from 'pino'

import { identitiesOf, twiceOne } from '#providers/identities.ts'
import type { Providers } from './providers.ts'
import { problemAt } from './sites.ts'

/** A start waits so long for sites to say which place they are; of one that does not answer nobody knows. */
const mostMs = 5_000

type Looking = { home: string; providers: Pick<Providers, 'acting' | 'isInFile'>; log: Logger }

/**
 * Refuses to start with two sites that are one place, of which the file declares one. Two that were joined are told in the
 * log: to leave one of them needs a server.
 * @throws ServerProblem with the place in the file
 */
export async function refuseTwins({ home, providers, log }: Looking): Promise<void> {
  const asked = [...providers.acting.values()].filter(({ abilities }) => abilities.identity)
  if (asked.flatMap((provider) => provider.sites()).length < 2) return
  const known = await identitiesOf(asked, AbortSignal.timeout(mostMs))
  for (const twins of Map.groupBy(known.keys(), (key) => known.get(key)).values()) {
    const [first, second] = twins.toSorted((a, b) => Number(providers.isInFile(a)) - Number(providers.isInFile(b)))
    if (first === undefined || second === undefined) continue
    const said = { message: twiceOne(first), fix: `remove ${second} here, or have it name another place` }
    const problem = problemAt(home, second, said)
    if (problem && providers.isInFile(second)) throw problem
    log.error({ sites: twins }, `${second}: ${said.message}; leave one of them: isobar site leave ${second}`)
  }
}

import type { Examination } from '#model/examination.ts'
import type { Outcome } from '#model/fault.ts'
import { obstacle } from '#providers/examining.ts'

import type { SlurmSite } from './config.ts'
import { createTokenFile, endOf, renewalOf } from './token.ts'

/**
 * A token to look at a cluster with: one that is made as they will be made, so that one knows that it works, otherwise the
 * one in its file. None is kept. Null where there is none to be had, which is then in the way.
 */
export async function lookAtToken(found: Examination, site: SlurmSite): Promise<string | null> {
  const renewal = renewalOf(site)
  const token: Outcome<string> = await (renewal ? renewal.make() : createTokenFile(site.tokenFile).token())
  if (!token.ok) {
    found.obstacles.push(obstacle('denied', token.fault.detail, renewal ? renewal.words : howToMake))
    return null
  }
  const ends = endOf(token.value)
  const when = Number.isFinite(ends) ? `ends at ${new Date(ends).toISOString()}` : 'never ends'
  const renewed = renewal ? `made by ${renewal.by}, and anew with half of its life left` : 'nothing renews it'
  found.facts.push({ name: 'token', value: `${when}; ${renewed}` })
  if (!renewal && Number.isFinite(ends))
    found.notes.push(
      'its token ends, and only somebody else can replace it: --token-lifespan 1d or --token-command renews it',
    )
  return token.value
}

/** What helps who has none, or none that is taken. */
export const howToMake = 'scontrol token lifespan=86400 (and put it into that file)'

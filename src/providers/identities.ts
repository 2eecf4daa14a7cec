import { siteKey } from '#model/site.ts'
import type { Provider } from './provider.ts'

/** What tells the places of sites apart, by their keys, of those that say so in time. */
export async function identitiesOf(
  providers: Iterable<Provider>,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, string>> {
  const asked = [...providers].flatMap(({ name: provider, sites, abilities: { identity } }) =>
    (identity ? sites() : []).map(async ({ name }) => {
      const told = await identity?.(name, signal)
      return told?.ok && told.value !== null ? [[siteKey({ provider, name }), told.value] as const] : []
    }),
  )
  return new Map((await Promise.all(asked)).flat())
}

/** Why nobody joins a place twice. */
export const twiceOne = (other: string): string =>
  `it is the same place as ${other}, and neither of the two would count what the other takes there`

import type { Invariant, Seen, There } from './invariant.ts'
import { createPatience } from './patience.ts'

const name = 'nothing is leaked'

/** What runs at a provider and no lease knows is found and ended as soon as anybody can. */
export function nothingIsLeaked(): Invariant {
  const patience = createPatience()
  return {
    name,
    rule: 2,
    when: 'always',
    check(seen) {
      const { now, able, bounds } = seen
      const leaks = leaksOf(seen)
      const passing = leaks.map(({ site, gang }) => ({ key: gang.token, isAble: able(site), mostMs: bounds.leakMs }))
      const overdue = patience(now, passing)
      return leaks.filter(({ gang }) => overdue.has(gang.token)).map(sentence)
    },
  }
}

/** When all is done, nothing runs that no lease knows. */
export const nothingIsLeft = (): Invariant => ({
  name,
  rule: 2,
  when: 'at rest',
  check: (seen) => leaksOf(seen).map(sentence),
})

const leaksOf = ({ gangs, known }: Seen): There[] =>
  gangs.filter(({ gang }) => !gang.closed && !known.leases.has(gang.token))

const sentence = ({ site, gang: { token, workload } }: There): string =>
  `${token} of ${workload} runs at ${site}, and no live lease knows it`

/** What is tagged as ours is tagged as what it is. */
export const tagsAreTrue = (): Invariant => ({
  name: 'what runs is tagged as what it is',
  rule: 1,
  when: 'always',
  check: ({ gangs, known, tables }) =>
    gangs.flatMap(({ site, gang: { token, workload, attempt } }) => {
      const lease = known.leases.get(token)
      const number = lease && tables.attempts.get(lease.attempt)?.number
      if (!lease || (lease.workload === workload && number === attempt && `${lease.provider}/${lease.site}` === site))
        return []
      return [
        `${token} at ${site} is tagged attempt ${attempt} of ${workload}, and its lease is of attempt ${number} of ${lease.workload} at ${lease.site}`,
      ]
    }),
})

import type { CredentialedOrder } from '#model/order.ts'
import type { Call, Invariant } from './invariant.ts'

/** No control plane asks a provider for anything that is not written down; only what belongs to nobody is just retired. */
export const nothingIsDoneUnintended = (): Invariant => ({
  name: 'every change at a provider was written down before it was asked for',
  rule: 1,
  when: 'always',
  check: ({ calls }) =>
    calls
      .filter((call) => !call.intended && !(call.name === 'retire' && isNobodys(call)))
      .map(({ plane, name, token, site }) => `${plane} called ${name} of ${token} at ${site}, which no operation says`),
})

const isNobodys = ({ lease }: Call): boolean => lease === null || lease === 'gone' || lease === 'refused'

/** What a token orders is always the same: so it does not matter who asks, nor how often. */
export function aTokenIsOneOrder(): Invariant {
  const ordered = new Map<string, string>()
  return {
    name: 'a token is one order, whoever asks and however often',
    rule: 1,
    when: 'always',
    check({ calls, changes }) {
      const breaches = calls.flatMap(({ token, order, plane }) => {
        if (!order) return []
        const text = textOf(order)
        const before = ordered.get(token) ?? text
        ordered.set(token, text)
        return before === text ? [] : [`${plane} ordered ${text} with the token ${token} of ${before}`]
      })
      for (const { key, after } of changes.leases) if (after === null) ordered.delete(key)
      return breaches
    },
  }
}

const textOf = ({ workload, attempt, site, tier, ranks }: CredentialedOrder): string =>
  `attempt ${attempt} of ${workload} at ${site}, ${tier}, ${ranks.map(({ shape }) => shape.name).join(' ')}`
